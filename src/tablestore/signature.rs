//! Signs requests and answers, and verifies signatures.
//!
//! The signature of a request covers its path and its `x-ots-` headers, one of which is the digest
//! of the body. It is made with the secret (V2), or with a key derived from the secret, the date
//! and the region (V4). The signature of an answer covers its `x-ots-` headers and the request's
//! path, and is made with the same key as the request's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The prefix of the names of all headers that are signed.
pub const SIGNED_PREFIX: &str = "x-ots-";
/// The header that carries a V2 signature. It is not signed itself.
pub const SIGNATURE_HEADER: &str = "x-ots-signature";
/// The header that carries a V4 signature. It is not signed itself.
pub const SIGNATURE_V4_HEADER: &str = "x-ots-signaturev4";

/// The service's name in V4 signatures.
const SERVICE: &str = "ots";
/// The most derived keys that are kept. There is one for each day and region.
const DERIVED_KEYS_MAX: usize = 64;

/// A key that signs: a secret, or a key derived from one.
#[derive(Clone)]
pub enum SigningKey {
    /// The secret (V2).
    Secret(Arc<str>),
    /// A key derived from the secret, a date and a region (V4). It is 44 characters of base64,
    /// which are used as they are.
    Derived(Arc<str>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SigningKey::Secret(_) => "SigningKey::Secret(…)",
            SigningKey::Derived(_) => "SigningKey::Derived(…)",
        })
    }
}

/// A header as it is signed: its name in lower case, and its value without spaces around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedHeader<'a> {
    /// The name, which begins with [`SIGNED_PREFIX`].
    pub name: &'a str,
    /// The value, which may be any text.
    pub value: &'a str,
}

impl SigningKey {
    /// Derives the V4 key for a date (`YYYYMMDD`, UTC) and a region.
    pub fn derive(secret: &str, date: &str, region: &str) -> SigningKey {
        let mut mac: Hmac<Sha256> = hmac(format!("aliyun_v4{secret}").as_bytes(), date);
        for part in [region, SERVICE, "aliyun_v4_request"] {
            mac = hmac(&mac.finalize().into_bytes(), part);
        }
        SigningKey::Derived(sign(mac).into())
    }

    /// Returns the name of the header that carries a request's signature by this key.
    pub fn request_header(&self) -> &'static str {
        match self {
            SigningKey::Secret(_) => SIGNATURE_HEADER,
            SigningKey::Derived(_) => SIGNATURE_V4_HEADER,
        }
    }

    /// Signs a request: its path, and all its headers that begin with [`SIGNED_PREFIX`] except the
    /// signatures. The headers may come in any order and are sorted.
    pub fn sign_request(&self, path: &str, headers: &mut [SignedHeader<'_>]) -> String {
        let text = self.request_text(path, headers);
        match self {
            SigningKey::Secret(key) => sign(hmac::<Hmac<Sha1>>(key.as_bytes(), &text)),
            SigningKey::Derived(key) => sign(hmac::<Hmac<Sha256>>(key.as_bytes(), &text)),
        }
    }

    /// Returns whether this is the signature of a request. Takes equally long for every signature.
    pub fn verify_request(&self, path: &str, headers: &mut [SignedHeader<'_>], signature: &str) -> bool {
        let text = self.request_text(path, headers);
        match self {
            SigningKey::Secret(key) => verify(hmac::<Hmac<Sha1>>(key.as_bytes(), &text), signature),
            SigningKey::Derived(key) => verify(hmac::<Hmac<Sha256>>(key.as_bytes(), &text), signature),
        }
    }

    /// Signs an answer: all its headers that begin with [`SIGNED_PREFIX`], in any order, and the
    /// path of the request.
    pub fn sign_response(&self, path: &str, headers: &mut [SignedHeader<'_>]) -> String {
        sign(self.response_mac(path, headers))
    }

    /// Returns whether this is the signature of an answer. Takes equally long for every signature.
    pub fn verify_response(&self, path: &str, headers: &mut [SignedHeader<'_>], signature: &str) -> bool {
        verify(self.response_mac(path, headers), signature)
    }

    /// Returns the text that a request's signature covers.
    fn request_text(&self, path: &str, headers: &mut [SignedHeader<'_>]) -> String {
        let mut text = format!("{path}\nPOST\n\n");
        push_headers(&mut text, headers);
        // With a derived key, the service's name follows without a separator.
        if matches!(self, SigningKey::Derived(_)) {
            text.push_str(SERVICE);
        }
        text
    }

    fn response_mac(&self, path: &str, headers: &mut [SignedHeader<'_>]) -> Hmac<Sha1> {
        let mut text = String::new();
        push_headers(&mut text, headers);
        text.push_str(path);
        match self {
            SigningKey::Secret(key) | SigningKey::Derived(key) => hmac(key.as_bytes(), &text),
        }
    }
}

fn push_headers(text: &mut String, headers: &mut [SignedHeader<'_>]) {
    headers.sort_unstable();
    for SignedHeader { name, value } in headers {
        text.extend([*name, ":", *value, "\n"]);
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], text: &str) -> M {
    let mac = <M as KeyInit>::new_from_slice(key);
    let Ok(mac) = mac else { unreachable!("an HMAC takes a key of any length") };
    mac.chain_update(text)
}

fn sign(mac: impl Mac) -> String {
    BASE64.encode(mac.finalize().into_bytes())
}

/// Returns whether this is the signature. Compares in constant time.
fn verify(mac: impl Mac, signature: &str) -> bool {
    BASE64.decode(signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
}

/// A cache of derived keys.
#[derive(Default)]
pub struct DerivedKeys {
    keys: Mutex<HashMap<String, SigningKey>>,
}

impl fmt::Debug for DerivedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKeys(…)")
    }
}

impl DerivedKeys {
    /// Returns the key of this date and region, derived if needed. `secret` must be the same in
    /// every call.
    pub fn get(&self, secret: &str, date: &str, region: &str) -> SigningKey {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{date}\n{region}");
        if let Some(key) = keys.get(&name) {
            return key.clone();
        }
        // Callers choose dates and regions, so the number of kept keys is limited.
        if keys.len() >= DERIVED_KEYS_MAX {
            keys.clear();
        }
        let key = SigningKey::derive(secret, date, region);
        keys.insert(name, key.clone());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "testsecret";

    fn header<'a>(name: &'a str, value: &'a str) -> SignedHeader<'a> {
        SignedHeader { name, value }
    }

    fn request() -> Vec<SignedHeader<'static>> {
        vec![
            header("x-ots-date", "2026-11-22T09:10:38.000Z"),
            header("x-ots-apiversion", "2015-12-31"),
            header("x-ots-accesskeyid", "testid"),
            header("x-ots-instancename", "testinst"),
            header("x-ots-contentmd5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ]
    }

    fn request_v4() -> Vec<SignedHeader<'static>> {
        let mut headers = request();
        headers.push(header("x-ots-signregion", "cn-hangzhou"));
        headers.push(header("x-ots-signdate", "20261122"));
        headers
    }

    fn response() -> Vec<SignedHeader<'static>> {
        vec![
            header("x-ots-requestid", "00000000-0000-0000-0000-000000000001"),
            header("x-ots-contenttype", "protocol buffer"),
            header("x-ots-date", "2026-11-22T09:10:39.000Z"),
            header("x-ots-contentmd5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ]
    }

    fn keys() -> [SigningKey; 2] {
        [SigningKey::Secret(SECRET.into()), DerivedKeys::default().get(SECRET, "20261122", "cn-hangzhou")]
    }

    #[test]
    fn the_derived_key() {
        let keys = DerivedKeys::default();
        for _ in 0..2 {
            match keys.get(SECRET, "20261122", "cn-hangzhou") {
                SigningKey::Derived(key) => assert_eq!(&*key, "5UeG6nZaYy+IVG5Rf7QHdkL8GqyPCqoE6c6i/QNhbcQ="),
                SigningKey::Secret(_) => panic!("not derived"),
            }
        }
        (0..1_000).for_each(|day| drop(keys.get(SECRET, &day.to_string(), "somewhere")));
        assert!(keys.keys.lock().unwrap().len() <= DERIVED_KEYS_MAX);
    }

    #[test]
    fn requests() {
        let [secret, derived] = keys();
        let cases = [
            (secret, request(), "3APGXIZNNb3dkKisxFItJGA8gPI="),
            (derived, request_v4(), "KMKNvbRm/X+Enr9gMpzcSicxenxkTx1MpyNEdBphmfE="),
        ];
        for (key, mut headers, signature) in cases {
            assert_eq!(key.sign_request("/ListTable", &mut headers), signature);
            assert!(key.verify_request("/ListTable", &mut headers, signature));
            assert!(!key.verify_request("/ListTables", &mut headers, signature));
            for wrong in ["", "=", "3APGXIZNNb3dkKisxFItJGA8gPH=", "AAAA", "not base64"] {
                assert!(!key.verify_request("/ListTable", &mut headers, wrong), "{wrong}");
            }
            headers.pop();
            assert!(!key.verify_request("/ListTable", &mut headers, signature));
        }
    }

    #[test]
    fn responses() {
        let signatures = ["h62zOu8u6DSBmKZKrWFzOAiSAUY=", "RitysZtyrlSzcwj+gEYOEeUMeu8="];
        for (key, signature) in keys().into_iter().zip(signatures) {
            assert_eq!(key.sign_response("/ListTable", &mut response()), signature);
            assert!(key.verify_response("/ListTable", &mut response(), signature));
            assert!(!key.verify_response("/ListTable", &mut request(), signature));
        }
    }
}
