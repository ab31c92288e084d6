// The judge reads exposition bodies with the parsers of Prometheus itself and says what they would have stored.
//
// On stdin, for each body: a line of JSON (request), then so many bytes of body. On stdout, for each: a line of JSON
// (verdict). It ends with its input.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

type request struct {
	// ContentType is the header that came with the body.
	ContentType string `json:"type"`
	Length      int    `json:"length"`
	// Samples asks for what was read, not only for whether it can be.
	Samples bool `json:"samples"`
	// Lenient leaves out what Prometheus itself does not ask for: one group a family, no series twice.
	Lenient bool `json:"lenient"`
}

type verdict struct {
	// Error is empty for a body of which Prometheus takes all.
	Error string `json:"error"`
	// Samples are rows of labels, the bits of the value, the time in milliseconds or null, and exemplars.
	Samples [][4]any `json:"samples,omitempty"`
	// Types are those of families, by the name of the TYPE line.
	Types map[string]string `json:"types,omitempty"`
	// Native counts the histograms that Prometheus makes native ones of where it is told to.
	Native int `json:"native"`
}

func main() {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return
		}
		var asked request
		if err == nil {
			err = json.Unmarshal(line, &asked)
		}
		var body []byte
		if err == nil {
			body = make([]byte, asked.Length)
			_, err = io.ReadFull(in, body)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "judge: the request cannot be read:", err)
			os.Exit(2)
		}
		answer, err := json.Marshal(judge(body, asked))
		if err == nil {
			_, err = out.Write(append(answer, '\n'))
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "judge: the verdict cannot be written:", err)
			os.Exit(2)
		}
	}
}

func judge(body []byte, asked request) verdict {
	found := verdict{Types: map[string]string{}}
	scheme := model.LegacyValidation
	if strings.Contains(asked.ContentType, "escaping=allow-utf-8") {
		scheme = model.UTF8Validation
	}
	// As Prometheus scrapes without settings, then with those that read more closely.
	if err := scrape(body, asked, scheme, textparse.ParserOptions{}, &found); err != nil {
		found.Error = "textparse: " + err.Error()
		return found
	}
	closely := textparse.ParserOptions{
		ConvertClassicHistogramsToNHCB: true,
		OpenMetricsSkipSTSeries:        true,
		EnableTypeAndUnitLabels:        true,
	}
	converted := verdict{Types: map[string]string{}}
	plainly := asked
	plainly.Samples = false
	if err := scrape(body, plainly, scheme, closely, &converted); err != nil {
		found.Error = "textparse, converting histograms: " + err.Error()
		return found
	}
	found.Native = converted.Native
	if strings.HasPrefix(asked.ContentType, "text/plain") && !asked.Lenient {
		parser := expfmt.NewTextParser(scheme)
		if _, err := parser.TextToMetricFamilies(bytes.NewReader(body)); err != nil {
			found.Error = "expfmt: " + err.Error()
		}
	}
	return found
}

// scrape does what the scrape loop of Prometheus does with a body, but for storing it.
func scrape(
	body []byte, asked request, scheme model.ValidationScheme, options textparse.ParserOptions, found *verdict,
) error {
	parser, err := textparse.New(body, asked.ContentType, labels.NewSymbolTable(), options)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var series []byte
		var at *int64
		var value float64
		switch entry {
		case textparse.EntryType:
			name, kind := parser.Type()
			if _, again := found.Types[string(name)]; again && !asked.Lenient {
				return fmt.Errorf("a second TYPE line for %s", name)
			}
			found.Types[string(name)] = string(kind)
			continue
		case textparse.EntryHelp:
			parser.Help()
			continue
		case textparse.EntryUnit:
			parser.Unit()
			continue
		case textparse.EntryComment:
			continue
		case textparse.EntryHistogram:
			found.Native++
			series, at, _, _ = parser.Histogram()
		default:
			series, at, value = parser.Series()
		}
		var set labels.Labels
		parser.Labels(&set)
		set = set.WithoutEmpty()
		name := set.Get(model.MetricNameLabel)
		if name == "" {
			return fmt.Errorf("no name: %s", series)
		}
		if !set.IsValid(scheme) {
			return fmt.Errorf("invalid metric name or label names: %s", set)
		}
		if twice, is := set.HasDuplicateLabelNames(); is {
			return fmt.Errorf("label name %q is not unique: %s", twice, series)
		}
		if options.OpenMetricsSkipSTSeries { // asking makes the parser leave out the _created series
			parser.StartTimestamp()
		}
		row := [4]any{set.String(), fmt.Sprintf("%016x", math.Float64bits(value)), nil, nil}
		key := set.String()
		if at != nil {
			row[2] = *at
			key = fmt.Sprint(key, " ", *at)
		}
		if !asked.Lenient && entry == textparse.EntrySeries {
			if seen[key] {
				return fmt.Errorf("a series twice: %s", key)
			}
			seen[key] = true
		}
		var exemplars []string
		for {
			var one exemplar.Exemplar
			if !parser.Exemplar(&one) {
				break
			}
			exemplars = append(exemplars, fmt.Sprint(one.Labels, one.Value, one.HasTs, one.Ts))
		}
		if len(exemplars) > 0 {
			row[3] = exemplars
		}
		if asked.Samples {
			found.Samples = append(found.Samples, row)
		}
	}
}
