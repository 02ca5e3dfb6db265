//! A YAML file as nodes that know their place.

use std::path::Path;

use saphyr::{MarkedYaml, ScalarStyle, ScanError, YamlData, YamlLoader};
use saphyr_parser::Parser;

use crate::Problem;

/// The problems of one file.
#[derive(Debug)]
pub(crate) struct Problems<'f> {
    pub(crate) file: &'f Path,
    pub(crate) found: Vec<Problem>,
}

impl<'f> Problems<'f> {
    pub(crate) fn of(file: &'f Path) -> Self {
        Self {
            file,
            found: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, place: Option<(usize, usize)>, message: impl Into<String>) {
        self.found.push(Problem {
            file: self.file.to_owned(),
            place,
            message: message.into(),
        });
    }

    /// Notes a problem of a node.
    pub(crate) fn at<T>(&mut self, node: &MarkedYaml<'_>, message: impl Into<String>) -> Option<T> {
        self.add(Some(place(node)), message);
        None
    }
}

/// Returns line and column of a node, from 1.
pub(crate) fn place(node: &MarkedYaml<'_>) -> (usize, usize) {
    (node.span.start.line(), node.span.start.col() + 1)
}

/// Reads the one document of a file.
pub(crate) fn load<'t>(text: &'t str, problems: &mut Problems<'_>) -> Option<MarkedYaml<'t>> {
    match documents(text) {
        Ok(documents) if documents.len() == 1 => documents.into_iter().next(),
        Ok(documents) => {
            let message = format!("has {} documents; write one", documents.len());
            problems.add(None, message);
            None
        }
        Err(error) => {
            let marker = error.marker();
            let message = format!("is not YAML: {}", error.info());
            problems.add(Some((marker.line(), marker.col() + 1)), message);
            None
        }
    }
}

/// Reads scalars as they are written: `007` is no 7 where a marker for missing data is meant.
fn documents(text: &str) -> Result<Vec<MarkedYaml<'_>>, ScanError> {
    let mut loader = YamlLoader::default();
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, true)?;
    match loader.error() {
        Some(error) => Err(error.clone()),
        None => Ok(loader.into_documents()),
    }
}

/// Returns the members of a mapping, each with its name, its name's node and its value.
pub(crate) fn members<'n, 't>(
    node: &'n MarkedYaml<'t>,
) -> Option<Vec<(String, &'n MarkedYaml<'t>, &'n MarkedYaml<'t>)>> {
    let YamlData::Mapping(mapping) = &node.data else {
        return None;
    };
    let members = mapping
        .iter()
        .map(|(name, value)| (text(name).unwrap_or_default(), name, value));
    Some(members.collect())
}

/// Returns the elements of a sequence.
pub(crate) fn elements<'n, 't>(node: &'n MarkedYaml<'t>) -> Option<&'n [MarkedYaml<'t>]> {
    match &node.data {
        YamlData::Sequence(elements) => Some(elements),
        _ => None,
    }
}

/// Returns a scalar as it is written; `None` for what is none, and for null.
pub(crate) fn text(node: &MarkedYaml<'_>) -> Option<String> {
    let YamlData::Representation(text, style, _) = &node.data else {
        return None;
    };
    let is_null = matches!(&**text, "" | "~" | "null" | "Null" | "NULL");
    (*style != ScalarStyle::Plain || !is_null).then(|| text.to_string())
}
