//! A small tree of an XML document: local names, text, children. No attributes, no entities beyond
//! the five of XML, no external anything.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::series::FeedError;

/// Deepest nesting taken.
const MAX_DEPTH: usize = 32;
/// Most elements taken.
const MAX_ELEMENTS: usize = 100_000;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name without a namespace prefix: the namespaces' versions change, the names do not.
    pub name: String,
    /// Its own text, trimmed.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document; gives its root.
    pub(super) fn read(text: &str) -> Result<Self, FeedError> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        let mut count = 0_usize;
        // Bounded: every turn consumes input; a document of the largest size has few elements.
        loop {
            let place = |reader: &Reader<&[u8]>| format!("byte {}", reader.buffer_position());
            let event = reader
                .read_event()
                .map_err(|error| FeedError::at(place(&reader), error.to_string()))?;
            let (begun, closes) = match event {
                Event::Start(tag) => (Some(tag.local_name().as_ref().to_owned()), false),
                Event::Empty(tag) => (Some(tag.local_name().as_ref().to_owned()), true),
                Event::End(_) => (None, true),
                Event::Text(part) => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(part.trim());
                    }
                    continue;
                }
                Event::DocType(_) => {
                    return Err(FeedError::at(place(&reader), "a DOCTYPE is not taken"));
                }
                Event::Eof => return Err(FeedError::at("end", "the document is cut off")),
                _ => continue,
            };
            if let Some(name) = begun {
                count += 1;
                if count > MAX_ELEMENTS || open.len() >= MAX_DEPTH {
                    return Err(FeedError::at(
                        place(&reader),
                        "too many or too deep elements",
                    ));
                }
                open.push(Self {
                    name,
                    ..Self::default()
                });
            }
            if closes && let Some(element) = open.pop() {
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
        }
    }

    /// The children of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name; an error that names both where there is none.
    pub(super) fn need(&self, name: &str) -> Result<&str, FeedError> {
        self.child(name)
            .map(|child| child.text.as_str())
            .filter(|text| !text.is_empty())
            .ok_or_else(|| FeedError::at(format!("<{}>", self.name), format!("has no <{name}>")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree_of_local_names() {
        let root = Element::read(
            "<?xml version=\"1.0\"?><n:a xmlns:n=\"urn:x:9\"><b> 1 </b><n:b>2</n:b><c/></n:a>",
        )
        .expect("good");
        assert_eq!(root.name, "a");
        let texts: Vec<&str> = root.all("b").map(|b| b.text.as_str()).collect();
        assert_eq!(texts, ["1", "2"]);
        assert_eq!(root.child("c").map(|c| c.text.as_str()), Some(""));
        assert_eq!(
            root.need("c").expect_err("empty").to_string(),
            "<a>: has no <c>"
        );
    }

    #[test]
    fn what_is_not_a_whole_document_is_refused() {
        let deep = "<a>".repeat(100);
        let bomb = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
        for wrong in ["", "text", "<a>", "<a></b>", "<a", &deep, bomb] {
            Element::read(wrong).expect_err(wrong);
        }
    }
}
