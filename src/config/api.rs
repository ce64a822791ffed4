//! Who may use our own API.

use super::files;
use super::kind::{FilePath, Kind, Token};
use super::reader::Reader;
use super::secret::Secret;

/// The section `[api]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiConfig {
    /// The administrator's token, from `admin_token` or the file `admin_token_file`. Absent: one is
    /// made at first start and shown once.
    pub admin_token: Option<Secret>,
}

impl ApiConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const TOKEN: &str = "api.admin_token";
        const FILE: &str = "api.admin_token_file";
        let direct = reader.optional(TOKEN, &Token);
        let file = reader.optional(FILE, &FilePath);
        if direct.is_some()
            && let super::Origin::File(config) = reader.origin(TOKEN)
            && let Err(detail) = files::must_be_private(&config)
        {
            let detail = format!("stands in the configuration file, which {detail}");
            reader.fault(TOKEN, detail);
        }
        let (Some(_), Some(path)) = (&direct, &file) else {
            let admin_token =
                direct.or_else(|| file.and_then(|path| from_file(reader, FILE, &path)));
            return Self { admin_token };
        };
        let ranks = (reader.origin(TOKEN).rank(), reader.origin(FILE).rank());
        let admin_token = match ranks.0.cmp(&ranks.1) {
            std::cmp::Ordering::Less => from_file(reader, FILE, path),
            std::cmp::Ordering::Greater => direct,
            std::cmp::Ordering::Equal => {
                reader.fault(
                    FILE,
                    format!("is given beside {TOKEN}; give one of the two"),
                );
                None
            }
        };
        Self { admin_token }
    }
}

fn from_file(reader: &mut Reader, key: &'static str, path: &std::path::Path) -> Option<Secret> {
    let shown = path.display().to_string();
    match files::read_secret(path) {
        Ok(text) => {
            let token = Token.read_text(&text);
            if token.is_none() {
                let detail = format!("is {shown:?}, whose content is not {}", Token.allowed());
                reader.fault(key, detail);
            }
            token
        }
        Err(detail) => {
            reader.fault(key, format!("is {shown:?}, which {detail}"));
            None
        }
    }
}
