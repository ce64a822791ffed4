//! The key that seals secrets belongs to the store in which they lie: one without the other is
//! noticed at the start, not when the first partner is called.

use std::path::Path;

use tracing::warn;

use super::vault::{KeyVault, VaultError, VaultKey, find_key, key_path, make_key};
use crate::domain::ports::{RecordWrite, Records, Vault as _};

/// A text sealed with the key of this store. Also what binds it to its place.
const PROOF: &str = "vault/proof";
/// Where stores of older versions, which have no proof, keep what was sealed.
const SEALED: &str = "partner/";

/// The key of this store; a new one for a store without secrets. A key that is lost or another is
/// replaced only if `is_new_wanted`: what was sealed before is lost with it.
///
/// # Errors
/// [`VaultError::Lost`] and [`VaultError::Foreign`] where secrets could not be opened any more.
pub(super) async fn key_of(
    data_dir: &Path,
    records: &dyn Records,
    is_new_wanted: bool,
) -> Result<VaultKey, VaultError> {
    let path = key_path(data_dir);
    let proof = records.get(PROOF).await?;
    let found = find_key(data_dir)?;
    let is_right =
        |key: &VaultKey, proof: &Vec<u8>| KeyVault::new(key).unseal(PROOF, proof).is_ok();
    let why = match (found, &proof) {
        (Some(key), Some(proof)) if is_right(&key, proof) => return Ok(key),
        (Some(_), Some(_)) => VaultError::Foreign { path },
        (Some(key), None) => return proven(key, records).await,
        (None, None) if records.scan(SEALED, 1).await?.is_empty() => {
            return proven(make_key(data_dir)?, records).await;
        }
        (None, _) => VaultError::Lost { path },
    };
    if !is_new_wanted {
        return Err(why);
    }
    warn!("a new secret.key is made: every partner must be registered anew");
    proven(make_key(data_dir)?, records).await
}

async fn proven(key: VaultKey, records: &dyn Records) -> Result<VaultKey, VaultError> {
    let proof = KeyVault::new(&key).seal(PROOF, PROOF.as_bytes());
    let write = RecordWrite {
        key: PROOF.to_owned(),
        value: Some(proof),
    };
    records.write(vec![write]).await?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::records::StoreRecords;

    fn opens(key: &VaultKey, sealed: &[u8]) -> bool {
        KeyVault::new(key).unseal("context", sealed).is_ok()
    }

    #[tokio::test]
    async fn a_lost_key_stops_the_start_and_is_replaced_only_on_wish() {
        let dir = tempfile::tempdir().expect("a folder");
        let records = StoreRecords::new(Arc::new(MemoryStore::new()));
        let first = key_of(dir.path(), &records, false).await.expect("made");
        let sealed = KeyVault::new(&first).seal("context", b"token");
        let again = key_of(dir.path(), &records, false).await.expect("found");
        assert!(opens(&again, &sealed));

        fs::remove_file(key_path(dir.path())).expect("was there");
        let refused = key_of(dir.path(), &records, false).await;
        let refused = refused.expect_err("it is lost");
        assert!(matches!(refused, VaultError::Lost { .. }), "{refused}");
        assert!(refused.to_string().contains("--new-secret-key"));
        assert!(
            !key_path(dir.path()).exists(),
            "none is made behind one's back"
        );

        let new = key_of(dir.path(), &records, true).await.expect("wanted");
        assert!(!opens(&new, &sealed));
        key_of(dir.path(), &records, false)
            .await
            .expect("from now on");
    }

    #[tokio::test]
    async fn another_key_beside_the_store_stops_the_start() {
        let (dir, other) = (tempfile::tempdir(), tempfile::tempdir());
        let (dir, other) = (dir.expect("a folder"), other.expect("a folder"));
        let records = StoreRecords::new(Arc::new(MemoryStore::new()));
        key_of(dir.path(), &records, false).await.expect("made");
        make_key(other.path()).expect("made");
        fs::copy(key_path(other.path()), key_path(dir.path())).expect("copied");
        let refused = key_of(dir.path(), &records, false).await;
        let refused = refused.expect_err("it is another");
        assert!(matches!(refused, VaultError::Foreign { .. }), "{refused}");
    }

    #[tokio::test]
    async fn a_store_of_an_older_version_keeps_its_key_and_misses_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let records = StoreRecords::new(Arc::new(MemoryStore::new()));
        let partner = RecordWrite {
            key: "partner/default/acme".into(),
            value: Some(b"{}".to_vec()),
        };
        records.write(vec![partner]).await.expect("stored");
        let refused = key_of(dir.path(), &records, false).await;
        assert!(matches!(refused, Err(VaultError::Lost { .. })));
        make_key(dir.path()).expect("put back");
        key_of(dir.path(), &records, false).await.expect("found");
    }
}
