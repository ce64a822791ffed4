//! The witness: the last commit that was acknowledged, outside the database, so that a database
//! that comes back older than it was is noticed.
//!
//! Two slots of 32 bytes are written in turn, so that a write that is cut off leaves the other:
//! `EVENLOAD (8) | format (4) | commit (8) | zeros (8) | CRC-32 of these 28 bytes (4)`. Every later
//! format keeps this layout.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use crate::store::batch::Seq;
use crate::store::envelope::FORMAT;
use crate::store::error::StoreError;

use super::files::{self, Folder};

const MAGIC: &[u8; 8] = b"EVENLOAD";
const SLOT_BYTES: usize = 32;

/// The open witness file.
#[derive(Debug)]
pub(super) struct Witness {
    folder: Folder,
    file: File,
    seq: Seq,
    /// Which slot is written next.
    slot: u64,
}

impl Witness {
    /// Opens the witness of a store, or makes one for a store that is only just being made.
    pub(super) fn open(folder: &Folder) -> Result<Self, StoreError> {
        let path = folder.witness();
        let is_new = !path.exists();
        if is_new && folder.database().exists() {
            let detail = "the file `head` is missing beside the database";
            return Err(StoreError::damaged("open", folder.place(), detail));
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let opened = files::private(&mut options).open(path);
        let mut file = folder.io("open", opened)?;
        let mut bytes = Vec::with_capacity(2 * SLOT_BYTES);
        let read = (&mut file)
            .take(4 * SLOT_BYTES as u64)
            .read_to_end(&mut bytes);
        folder.io("open", read)?;
        let mut witness = Self {
            folder: folder.clone(),
            file,
            seq: Seq(0),
            slot: 0,
        };
        if bytes.is_empty() && !folder.database().exists() {
            witness.write(Seq(0))?;
            witness.write(Seq(0))?;
            folder.sync("open")?;
            return Ok(witness);
        }
        witness.read(&bytes)?;
        Ok(witness)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let slots: Vec<_> = bytes.chunks(SLOT_BYTES).map(parse).collect();
        let newest = slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| slot.map(|slot| (slot, index)))
            .max();
        let Some(((seq, format), index)) = newest else {
            let detail = "the file `head` holds no commit";
            return Err(StoreError::damaged("open", self.folder.place(), detail));
        };
        if format > FORMAT {
            return Err(StoreError::Newer {
                place: Arc::clone(self.folder.place()),
                found: format,
                known: FORMAT,
            });
        }
        self.seq = seq;
        self.slot = u64::from(index == 0);
        Ok(())
    }

    /// The last commit that was acknowledged.
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    /// Puts a commit on disk as acknowledged.
    pub(super) fn write(&mut self, seq: Seq) -> Result<(), StoreError> {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(MAGIC);
        slot[8..12].copy_from_slice(&FORMAT.to_be_bytes());
        slot[12..20].copy_from_slice(&seq.0.to_be_bytes());
        let sum = crc32fast::hash(&slot[..28]);
        slot[28..].copy_from_slice(&sum.to_be_bytes());
        let written = self
            .file
            .seek(SeekFrom::Start(self.slot * SLOT_BYTES as u64))
            .and_then(|_| self.file.write_all(&slot))
            .and_then(|()| self.file.sync_data());
        self.folder.io("flush", written)?;
        self.slot = 1 - self.slot;
        self.seq = seq;
        Ok(())
    }
}

fn parse(slot: &[u8]) -> Option<(Seq, u32)> {
    if slot.len() != SLOT_BYTES || &slot[..8] != MAGIC {
        return None;
    }
    if crc32fast::hash(&slot[..28]).to_be_bytes() != slot[28..] {
        return None;
    }
    let format = u32::from_be_bytes(slot[8..12].try_into().ok()?);
    let seq = u64::from_be_bytes(slot[12..20].try_into().ok()?);
    Some((Seq(seq), format))
}
