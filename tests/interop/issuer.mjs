// oidc-provider, a certified OpenID Connect issuer, with one public client and one that has a secret.
//   node issuer.mjs MODULES PORT
import { createRequire } from "module";
import { pathToFileURL } from "url";

const [modules, port] = process.argv.slice(2);
const { default: Provider } = await import(
  pathToFileURL(createRequire(modules + "/").resolve("oidc-provider")).href
);

const grants = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"];
const common = {
  application_type: "native",
  grant_types: grants,
  redirect_uris: ["http://localhost/auth/callback"],
  response_types: ["code"],
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { client_id: "sigstore", token_endpoint_auth_method: "none", ...common },
    { client_id: "confidential", client_secret: "s:cr/t +", ...common },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  scopes: ["openid", "email", "offline_access"],
  conformIdTokenClaims: false, // claims of the person in the ID token, as Dex has them
  cookies: { keys: ["for tests"] },
  features: { deviceFlow: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true }) }),
  pkce: { required: () => true },
  rotateRefreshToken: true, // one that comes a second time takes the whole sign-in back (RFC 9700 §4.14.2)
});
provider.on("grant.error", (_, error) => console.error(`${error.error}: ${error.error_description}`));
provider.listen(Number(port), "127.0.0.1", () => console.error("listening"));
