//! Cases as files: the twin of tests/support/fuzz_cases.py, which says what they look like.

use meshmeter_native::names::Escaping;
use meshmeter_native::{Limits, Merging, Options, Source, SourceStats};

const SOURCE: &[u8] = b"\n#source";
const SCHEMES: [(&[u8], Escaping); 4] =
    [(b"u", Escaping::Utf8), (b"s", Escaping::Underscores), (b"d", Escaping::Dots), (b"v", Escaping::Values)];
const LIMITS: Limits = Limits {
    samples: None,
    labels: Some(128),
    label_name_bytes: Some(1024),
    label_value_bytes: Some(16 << 10),
};
const NAMES: [&[u8]; 8] = [b"s0", b"s1", b"s2", b"s3", b"s4", b"s5", b"s6", b"s7"];

/// Arguments of a merge.
pub struct Case<'a> {
    pub sources: Vec<Source<'a>>,
    pub options: Options,
    /// Where Envoy's body is cut; places beyond its end begin anew.
    pub cuts: Vec<usize>,
}

/// What a merge says.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub body: Vec<u8>,
    pub sources: Vec<SourceStats>,
}

impl<'a> Case<'a> {
    /// The case that a file's content is. Every text is one.
    pub fn decode(text: &'a [u8]) -> Self {
        let mut parts = parted(text).into_iter();
        let head = words(first_line(parts.next().unwrap_or_default()).0);
        let scheme = SCHEMES.iter().find(|(word, _)| head.contains(word));
        let options = Options {
            openmetrics: head.contains(&b"o".as_slice()),
            escaping: scheme.map(|&(_, scheme)| scheme).unwrap_or_default(),
            merge_clusters: !head.contains(&b"k".as_slice()),
            total_bytes: head.iter().find_map(|word| number(word)),
            ..Options::default()
        };
        let cuts = head.iter().rev().find_map(|word| word.strip_prefix(b"c=")).unwrap_or_default();
        Case {
            sources: parts.zip(NAMES).map(|(part, name)| source(part, name)).collect(),
            options,
            cuts: cuts.split(|&byte| byte == b',').filter_map(number).collect(),
        }
    }

    /// Envoy's body, if it comes first: it can arrive in pieces if it is text without a label.
    pub fn fed(&self) -> Option<Source<'a>> {
        let first = self.sources.first()?;
        (first.envoy && first.label.is_none() && !first.openmetrics).then_some(*first)
    }

    /// What is answered.
    pub fn answer(&self) -> Answer {
        match self.fed() {
            Some(first) => self.streamed([first.body]),
            None => finished(Merging::new(&self.options), Vec::new(), &self.sources),
        }
    }

    /// What is answered where Envoy's body, which is the first one, arrives in these pieces.
    pub fn streamed<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>) -> Answer {
        let mut merging = Merging::new(&Options { fed: self.sources[0].limits, ..self.options });
        let mut sent = Vec::new();
        for piece in pieces {
            sent.extend_from_slice(merging.feed(piece));
        }
        finished(merging, sent, &self.sources[1..])
    }
}

fn finished(merging: Merging, mut body: Vec<u8>, sources: &[Source<'_>]) -> Answer {
    let merged = merging.finish(sources, true);
    merged.pieces.iter().for_each(|piece| body.extend_from_slice(piece));
    Answer { body, sources: merged.sources }
}

fn source<'a>(part: &'a [u8], name: &'static [u8]) -> Source<'a> {
    let (line, body) = first_line(part);
    let mut made = Source { body, limits: LIMITS, ..Source::default() };
    for word in words(line) {
        match word {
            b"e" => made.envoy = true,
            b"o" => made.openmetrics = true,
            _ => {}
        }
        if let Some(label) =
            word.strip_prefix(b"l=").filter(|label| meshmeter_native::text::is_legacy_label(label))
        {
            made.label = Some((label, name));
        }
        if let Some(numbers) = word.strip_prefix(b"n=") {
            let mut numbers = numbers.split(|&byte| byte == b',').map(number);
            let mut next = || numbers.next().flatten();
            made.limits = Limits {
                samples: next(),
                labels: next(),
                label_name_bytes: next(),
                label_value_bytes: next(),
            };
        }
    }
    made
}

/// The text between `SOURCE`s.
fn parted(mut text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = text.windows(SOURCE.len()).position(|here| here == SOURCE) {
        parts.push(&text[..at]);
        text = &text[at + SOURCE.len()..];
    }
    parts.push(text);
    parts
}

/// The first line, and what is behind it.
fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, b""),
    }
}

fn words(line: &[u8]) -> Vec<&[u8]> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
    line.split(is_space).filter(|word| !word.is_empty()).collect()
}

fn number(word: &[u8]) -> Option<usize> {
    let is_number = word.len() < 10 && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case() {
        let case =
            Case::decode(b"#case o u k 300 c=5,700,x\n\n#source e\na 1\n\n#source o l=app n=5,,x,7\nb 2\n\n");
        let Options { openmetrics, escaping, merge_clusters, total_bytes, .. } = case.options;
        assert_eq!((openmetrics, escaping, merge_clusters), (true, Escaping::Utf8, false));
        assert_eq!((total_bytes, case.cuts.as_slice()), (Some(300), [5, 700].as_slice()));
        let [first, second] = case.sources.as_slice() else { panic!("two sources") };
        assert_eq!(
            (first.body, first.envoy, first.openmetrics, first.label),
            (&b"a 1\n"[..], true, false, None)
        );
        assert_eq!((first.limits.samples, first.limits.labels), (None, Some(128)));
        assert_eq!((second.body, second.envoy, second.openmetrics), (&b"b 2\n\n"[..], false, true));
        assert_eq!(second.label, Some((&b"app"[..], &b"s1"[..])));
        let Limits { samples, labels, label_name_bytes, label_value_bytes } = second.limits;
        assert_eq!((samples, labels, label_name_bytes, label_value_bytes), (Some(5), None, None, Some(7)));
    }

    #[test]
    fn every_text_is_a_case() {
        for (text, sources) in
            [(&b""[..], 0), (b"#source\na 1", 0), (b"\n#source", 1), (b"\n#source\n#source", 2)]
        {
            assert_eq!(Case::decode(text).sources.len(), sources);
        }
        assert_eq!(Case::decode(&SOURCE.repeat(9)).sources.len(), NAMES.len());
    }
}
