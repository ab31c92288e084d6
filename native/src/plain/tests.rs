//! Plain families against the general way.

use super::*;
use crate::contract::{Options, Source};
use crate::merge::Merging;

const VALUES: &str = "# TYPE envoy_x_total counter
envoy_x_total 3
envoy_x_total{envoy_cluster_name=\"admin\"} 0
envoy_x_total{envoy_cluster_name=\"w-0123456789abcdef\"} 999999999999999999
envoy_x_total{envoy_cluster_name=\"w-a-0123456789abcdef\"} 10
envoy_x_total{envoy_cluster_name=\"w-fedcba9876543210\"} 1
envoy_x_total{envoy_cluster_name=\"w\"} 5
";
const HISTOGRAMS: &str = "# TYPE envoy_h histogram
envoy_h_bucket{envoy_cluster_name=\"w-0123456789abcdef\",le=\"0.50\"} 1
envoy_h_bucket{envoy_cluster_name=\"w-0123456789abcdef\",le=\"1800000\"} 12
envoy_h_bucket{envoy_cluster_name=\"w-0123456789abcdef\",le=\"+Inf\"} 12
envoy_h_sum{envoy_cluster_name=\"w-0123456789abcdef\"} 35.35
envoy_h_count{envoy_cluster_name=\"w-0123456789abcdef\"} 12
envoy_h_bucket{envoy_cluster_name=\"w-fedcba9876543210\",le=\"0.50\"} 0
envoy_h_bucket{envoy_cluster_name=\"w-fedcba9876543210\",le=\"1800000\"} 0
envoy_h_bucket{envoy_cluster_name=\"w-fedcba9876543210\",le=\"+Inf\"} 5
envoy_h_sum{envoy_cluster_name=\"w-fedcba9876543210\"} 07
envoy_h_count{envoy_cluster_name=\"w-fedcba9876543210\"} 5
envoy_h_bucket{x=\"1\",le=\"0.50\"} 0
envoy_h_bucket{x=\"1\",le=\"1800000\"} 0
envoy_h_bucket{x=\"1\",le=\"+Inf\"} 0
envoy_h_sum{x=\"1\"} 00
envoy_h_count{x=\"1\"} 0
";

/// What a block is written as, after others; `None` if it is not plain.
fn written(blocks: &[&str], form: Form, merge_clusters: bool) -> Option<(String, Count)> {
    let options = Options { openmetrics: form != Form::Text, merge_clusters, ..Options::default() };
    let source = Source { envoy: true, ..Source::default() };
    let mut labels = SourceLabels::new(&source, &options);
    let (mut table, mut plain, mut out) = (LabelTable::default(), Plain::default(), Vec::new());
    let mut count = None;
    for block in blocks {
        out.clear();
        let family = Family::of_block(block.as_bytes());
        count = family.and_then(|family| plain.write(&family, form, &mut labels, &mut table, &mut out));
        assert!(count.is_some() || out.is_empty(), "nothing is written of what is not plain");
    }
    Some((String::from_utf8(out).expect("text"), count?))
}

/// The same in the general way: a comment among the lines is not plain.
fn general(block: &str, form: Form, merge_clusters: bool) -> (String, usize) {
    let options = Options { openmetrics: form != Form::Text, merge_clusters, ..Options::default() };
    let body = block.replace('\n', "\n# \n");
    let mut merging = Merging::new(&options);
    let mut text = vec![merging.feed(body.as_bytes()).to_vec()];
    let merged = merging.finish(&[], true);
    text.extend(merged.pieces);
    let text = String::from_utf8(text.concat()).expect("text");
    (text.trim_end_matches("# EOF\n").to_owned(), merged.sources[0].samples)
}

#[test]
fn as_the_general_way() {
    let gauges = VALUES.replace("counter", "gauge").replace("} 0", "} -20");
    let none = VALUES.replace("_total", "").replace("counter", "gauge").replace("x 3", "x{} 3");
    for block in
        [VALUES, HISTOGRAMS, &gauges, &none, &HISTOGRAMS.replace("x=\"1\",", "").replace("{x=\"1\"}", "{}")]
    {
        for form in [Form::Text, Form::Typed] {
            for merge_clusters in [true, false] {
                let (text, count) =
                    written(&[VALUES, HISTOGRAMS, block], form, merge_clusters).expect("a plain family");
                assert_eq!((text, count.written), general(block, form, merge_clusters));
                assert_eq!(count.read, block.lines().count() - 1);
            }
        }
    }
}

#[test]
fn untyped_families_keep_their_name() {
    let block = VALUES.replace("_total", "");
    let (text, count) = written(&[&block], Form::Untyped, true).expect("a plain family");
    assert_eq!((text, count.written), general(&block, Form::Typed, true));
    assert!(written(&[&block], Form::Typed, true).is_none());
    assert!(written(&[HISTOGRAMS], Form::Untyped, true).is_none());
}

#[test]
fn the_empty_line_of_older_envoys() {
    let older = format!("{VALUES}\n");
    assert_eq!(written(&[&older], Form::Text, true), written(&[VALUES], Form::Text, true));
    assert!(written(&[&format!("{VALUES}\n\n")], Form::Text, true).is_none());
}

#[test]
fn what_is_not_plain() {
    for (from, to) in [
        ("# TYPE", "# HELP envoy_x_total X.\n# TYPE"),
        (" counter", " counter "),
        (" counter", " summary"),
        ("} 10\n", "} 10\n# \n"),
        ("} 10\n", "} 10\r\n"),
        ("} 10\n", "} 10 \n"),
        ("} 10\n", "}  10\n"),
        ("} 10\n", "}\t10\n"),
        ("} 10\n", "} 10 1395066363000\n"),
        ("} 10\n", "} 010\n"),
        ("} 10\n", "} 1e1\n"),
        ("} 10\n", "} -10\n"),
        ("} 10\n", "} -0\n"),
        ("} 10\n", "} \n"),
        ("} 999", "} 9999"),
        ("} 10\n", "} 10\nenvoy_y 1\n"),
        ("} 10\n", "} 10\n\n"),
        ("} 10\n", "} 10\nenvoy_x_total 4\n"),
        ("\"admin\"", "\"ad\\\"min\""),
        ("\"admin\"", "\"admin\","),
        ("\"admin\"", "\"admin\",le=\"1\""),
        ("\"admin\"", "\"admin\",envoy_cluster_name=\"b\""),
        ("{envoy_cluster_name=\"admin\"}", "{\"c.d\"=\"admin\"}"),
        ("} 5\n", "} 5"),
    ] {
        let block = VALUES.replacen(from, to, 1);
        assert_ne!(block, VALUES, "{from}");
        assert!(written(&[VALUES, &block], Form::Text, true).is_none(), "{from:?} as {to:?}");
    }
    for (from, to) in [
        ("le=\"0.50\"} 1", "le=\"0.50\"} 13"),
        (
            "_count{envoy_cluster_name=\"w-0123456789abcdef\"} 12",
            "_count{envoy_cluster_name=\"w-0123456789abcdef\"} 11",
        ),
        ("x=\"1\",le=\"0.50\"", "x=\"1\",le=\"0.5\""),
        ("envoy_h_bucket{x=\"1\",le=\"0.50\"} 0\n", ""),
        ("envoy_h_sum{x=\"1\"} 00\n", ""),
        ("envoy_h_sum{x=\"1\"} 00\n", "envoy_h_sum{x=\"1\"} -1\n"),
        ("envoy_h_sum{x=\"1\"} 00\n", "envoy_h_sum{x=\"1\"} NaN\n"),
        ("x=\"1\"", "x=\"2\""),
        ("envoy_h_sum{x=\"1\"", "envoy_h{x=\"1\""),
        ("_bucket{x=\"1\",le=\"0.50\"} 0\n", "_bucket{x=\"1\",le=\"0.50\"} 0 # {a=\"b\"} 1\n"),
    ] {
        let block = HISTOGRAMS.replacen(from, to, 1);
        assert_ne!(block, HISTOGRAMS, "{from}");
        assert!(written(&[HISTOGRAMS, &block], Form::Text, true).is_none(), "{from:?} as {to:?}");
    }
    for bound in ["-1", "NaN", "1800000", "x"] {
        let block = HISTOGRAMS.replace("0.50", bound);
        assert!(written(&[HISTOGRAMS, &block], Form::Text, true).is_none(), "{bound}");
    }
    let block = HISTOGRAMS.replace("+Inf", "1e9");
    assert!(written(&[HISTOGRAMS, &block], Form::Text, true).is_none());
}

#[test]
fn sums_that_do_not_fit() {
    let mut block = String::from("# TYPE envoy_x gauge\n");
    for n in 0..10 {
        block += &format!("envoy_x{{envoy_cluster_name=\"w-{n:016}\"}} {}\n", "9".repeat(18));
    }
    assert!(written(&[&block], Form::Text, true).is_none());
    assert!(written(&[&block], Form::Text, false).is_some());
}

#[test]
fn limits_of_labels() {
    let limits = crate::contract::Limits { label_value_bytes: Some(5), ..Default::default() };
    let source = Source { envoy: true, limits, ..Source::default() };
    let mut labels = SourceLabels::new(&source, &Options::default());
    let family = Family::of_block(VALUES.as_bytes()).expect("a block");
    let (mut table, mut out) = (LabelTable::default(), Vec::new());
    assert_eq!(Plain::default().write(&family, Form::Text, &mut labels, &mut table, &mut out), None);
}
