//! What Envoy's cluster and listener names mean for its metrics.
//!
//! Traffic that is split by tags has one Envoy cluster per part, named `<service>-<16 hex digits>`; users know only the
//! service.

use std::borrow::Cow;

use crate::sample::Label;

const CLUSTER: &[u8] = b"envoy_cluster_name";
const HTTP: &[u8] = b"envoy_http_conn_manager_prefix";
const MESH_TRAFFIC: &[u8] = b"kuma_io_mesh_traffic";
const HEX_DIGITS: usize = 16;

/// The service of a split cluster; `None` for any other name.
#[must_use]
pub fn split_base(cluster: &[u8]) -> Option<&[u8]> {
    let (front, hex) = cluster.split_at_checked(cluster.len().checked_sub(HEX_DIGITS)?)?;
    let base = front.strip_suffix(b"-")?;
    hex.iter().all(u8::is_ascii_hexdigit).then_some(base)
}

/// Whether the cluster is Envoy's connection to us; everything else is traffic of the mesh.
fn is_own_cluster(name: &[u8]) -> bool {
    matches!(
        name,
        b"ads_cluster"
            | b"access_log_sink"
            | b"system_ads"
            | b"system_access_log_sink"
            | b"kuma_envoy_admin"
            | b"kuma_metrics_hijacker"
    )
}

/// Whether the listener is one of Envoy's own.
fn is_own_listener(prefix: &[u8]) -> bool {
    matches!(prefix, b"admin" | b"kuma_envoy_admin" | b"kuma_metrics_prometheus")
}

/// The labels as users see them, and whether the cluster was a part of a split one.
#[must_use]
pub fn relabel<'a>(labels: &[Label<'a>]) -> (Vec<Label<'a>>, bool) {
    let mut made: Vec<Label<'a>> = Vec::with_capacity(labels.len() + 1);
    let (mut split, mut cluster, mut listener) = (false, None, None);
    for (name, value) in labels {
        let mut value = value.clone();
        match name.as_ref() {
            CLUSTER => {
                if let Some(base) = split_base(&value).map(<[u8]>::len) {
                    split = true;
                    value = match value {
                        Cow::Borrowed(text) => Cow::Borrowed(&text[..base]),
                        Cow::Owned(text) => Cow::Owned(text[..base].to_vec()),
                    };
                }
                cluster = Some(!is_own_cluster(&value));
                if value.is_empty() {
                    continue; // an empty label value is no label
                }
            }
            HTTP => listener = Some(!is_own_listener(&value)),
            MESH_TRAFFIC => continue,
            _ => {}
        }
        made.push((name.clone(), value));
    }
    if cluster.or(listener).unwrap_or(false) {
        made.push((Cow::Borrowed(MESH_TRAFFIC), Cow::Borrowed(b"true")));
    }
    (made, split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_split_clusters() {
        assert_eq!(split_base(b"web-0123456789abcDEF"), Some(&b"web"[..]));
        assert_eq!(split_base(b"-0123456789abcdef"), Some(&b""[..]));
        for name in
            ["web", "web-0123456789abcdeg", "0123456789abcdef", "web0123456789abcdef", "web-0123456789abcde"]
        {
            assert_eq!(split_base(name.as_bytes()), None, "{name}");
        }
    }
}
