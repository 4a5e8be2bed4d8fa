//! That the requirements of a selector, taken one by one, say what the whole does.

use super::*;
use crate::k8s::Operator;
use crate::source::{SourceMap, Span, Text};

fn spanned(text: &str) -> Spanned<Text> {
    let source = SourceMap::default().add("test", "");
    Spanned::new(text.into(), Span::new(source, 0, 0))
}

fn label(key: &str, value: &str) -> Label {
    Label {
        key: spanned(key),
        value: spanned(value),
    }
}

/// What the selector says of labels, by requirement, as [`LabelSelector::matches_opaque`]
/// says it of the whole.
#[test]
fn requirements_agree_with_the_whole_selector() {
    let texts = ["", "a", "b", "${X}", "{{ y }}"];
    let keys = ["app", "tier", "${K}"];
    let span = spanned("").span;
    let mut labels = vec![Labels::default()];
    for key in keys {
        labels.extend(texts.map(|value| Labels::new(vec![label(key, value)])));
        labels.extend(texts.map(|value| Labels::new(vec![label("app", "a"), label(key, value)])));
    }
    let mut selectors = vec![LabelSelector::everything(span)];
    for key in keys {
        for value in texts {
            let mut selector = LabelSelector::everything(span);
            selector.match_labels.push(label(key, value));
            selectors.push(selector);
            for operator in [
                Operator::In,
                Operator::NotIn,
                Operator::Exists,
                Operator::DoesNotExist,
            ] {
                let compares = matches!(operator, Operator::In | Operator::NotIn);
                let mut selector = LabelSelector::everything(span);
                selector.match_expressions.push(LabelSelectorRequirement {
                    span,
                    key: spanned(key),
                    operator: Spanned::new(operator, span),
                    values: if compares {
                        vec![spanned(value)]
                    } else {
                        Vec::new()
                    },
                });
                selectors.push(selector);
            }
        }
    }
    for selector in &selectors {
        for labels in &labels {
            let view = LabelView {
                labels,
                are_complete: true,
                controller: None,
            };
            let truths = requirements(selector, view).map(|requirement| requirement.truth);
            let by_parts = truths.min().unwrap_or(Truth::True);
            let whole = selector.matches_opaque(labels);
            // By parts a doubt is kept to the requirement that has it.
            if whole != Truth::Unknown {
                assert_eq!(by_parts, whole, "{selector} on {labels:?}");
            }
        }
    }
}
