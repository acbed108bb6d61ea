"""Keys, certificates and CMS: DER read strictly, certification paths, SignedData, the parts of a timestamp."""
