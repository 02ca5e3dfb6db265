//! The members of a mapping, by name.

use std::collections::HashMap;

use saphyr::MarkedYaml;

use crate::yaml::{Problems, elements, members, place, text};

/// The members of a mapping, by name.
pub(super) struct Options<'n, 't>(HashMap<String, &'n MarkedYaml<'t>>);

impl<'n, 't> Options<'n, 't> {
    /// Returns no option at all.
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    /// Returns the place of an option.
    pub(super) fn place(&self, name: &str) -> Option<(usize, usize)> {
        self.get(name).map(place)
    }

    pub(super) fn read(
        node: &'n MarkedYaml<'t>,
        allowed: &[&str],
        what: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let Some(found) = members(node) else {
            let message = format!("{what} must be a mapping with {}", allowed.join(", "));
            return problems.at(node, message);
        };
        let mut options = HashMap::new();
        for (name, name_node, value) in found {
            if allowed.contains(&name.as_str()) {
                options.insert(name, value);
            } else if !name.ends_with(')') {
                // `{type: decimal(10,2)}` is read as `decimal(10` and `2)`, which is said of the type.
                let message = format!(
                    "`{name}` means nothing here; {what} may have {}",
                    allowed.join(", ")
                );
                problems.add(Some(place(name_node)), message);
            }
        }
        Some(Self(options))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'n MarkedYaml<'t>> {
        self.0.get(name).copied()
    }

    pub(super) fn text(&self, name: &str, problems: &mut Problems<'_>) -> Option<String> {
        let node = self.get(name)?;
        text(node).or_else(|| problems.at(node, format!("`{name}` must be a text")))
    }

    /// Returns a list of texts; one text alone is a list of it.
    pub(super) fn list(&self, name: &str, problems: &mut Problems<'_>) -> Vec<String> {
        let Some(node) = self.get(name) else {
            return Vec::new();
        };
        if let Some(only) = text(node) {
            return vec![only];
        }
        let texts = elements(node).and_then(|all| all.iter().map(text).collect::<Option<Vec<_>>>());
        texts.unwrap_or_else(|| {
            problems.add(
                Some(place(node)),
                format!("`{name}` must be a list of texts, as `{name}: [one, two]`"),
            );
            Vec::new()
        })
    }
}
