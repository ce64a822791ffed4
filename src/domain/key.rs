//! Keys of departures: what names a person is kept as a hash only.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::id::{DepartureKey, TenantId};

/// The key under which a departure of an id token, contract id or vehicle is filed. The id itself
/// is not kept.
///
/// Our choice: `h-` and the first 128 bits of SHA-256 over tenant and id, in hexadecimal. The kind
/// of id is left out on purpose: whoever files a departure names one id, and it is found whether
/// the session carries it as token or as contract. Compared without regard to case and outer
/// spaces, as OCPI compares its `CiString`s; OCPI's placeholder `#NA` and the empty text have no
/// key.
pub fn hashed_key(tenant: &TenantId, id: &str) -> Option<DepartureKey> {
    let id = id.trim();
    if id.is_empty() || id.eq_ignore_ascii_case("#na") {
        return None;
    }
    let mut hasher = Sha256::new();
    hasher.update(tenant.as_str());
    hasher.update([0]);
    hasher.update(id.to_ascii_lowercase());
    let digest = hasher.finalize();
    let mut text = String::from("h-");
    for byte in &digest[..16] {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    DepartureKey::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_under_the_same_key_in_any_case_but_not_in_another_tenant() {
        let tenant = TenantId::default_tenant();
        let other = TenantId::new("other").expect("valid");
        let key = hashed_key(&tenant, "DE-ABC-1").expect("a key");
        assert_eq!(hashed_key(&tenant, " de-abc-1 "), Some(key.clone()));
        assert_ne!(hashed_key(&other, "DE-ABC-1"), Some(key.clone()));
        assert!(!key.as_str().contains("abc"));
        assert_eq!(key.as_str().len(), 34, "h- and 32 digits");
    }

    #[test]
    fn the_placeholder_for_no_contract_is_nobodys_key() {
        let tenant = TenantId::default_tenant();
        assert_eq!(hashed_key(&tenant, "#NA"), None);
        assert_eq!(hashed_key(&tenant, "  "), None);
    }
}
