// sigstore-js against the local stack: sign FILE by a signing configuration, or verify a bundle by the stack's TUF repository.
//   node sigstore.cjs sign|attest FILE BUNDLE SIGNING_CONFIG            (the token is in SIGSTORE_ID_TOKEN)
//   node sigstore.cjs verify FILE BUNDLE TUF_URL TUF_ROOT CACHE EMAIL ISSUER
const fs = require("fs");
const { SigningConfig } = require("@sigstore/protobuf-specs");
const { bundleBuilderFromSigningConfig } = require("@sigstore/sign");
const { bundleToJSON } = require("@sigstore/bundle");
const sigstore = require("sigstore");

const [command, file, bundle, ...rest] = process.argv.slice(2);
const data = fs.readFileSync(file);

async function sign() {
  const builder = bundleBuilderFromSigningConfig({
    signingConfig: SigningConfig.fromJSON(JSON.parse(fs.readFileSync(rest[0]))),
    identityProvider: { getToken: async () => process.env.SIGSTORE_ID_TOKEN },
    bundleType: command === "sign" ? "messageSignature" : "dsseEnvelope",
  });
  const made = await builder.create({ data, type: command === "sign" ? undefined : "application/vnd.in-toto+json" });
  fs.writeFileSync(bundle, JSON.stringify(bundleToJSON(made)));
}

async function verify() {
  const [tufMirrorURL, tufRootPath, tufCachePath, certificateIdentityEmail, certificateIssuer] = rest;
  const options = { tufMirrorURL, tufRootPath, tufCachePath, certificateIdentityEmail, certificateIssuer };
  const value = JSON.parse(fs.readFileSync(bundle));
  await (value.dsseEnvelope ? sigstore.verify(value, options) : sigstore.verify(value, data, options));
}

(command === "verify" ? verify() : sign()).catch((error) => {
  console.error(`${error.code}: ${error.message} ${error.cause ?? ""}`);
  process.exitCode = 1;
});
