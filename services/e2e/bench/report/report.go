// Package report says what a bench found: as a table for people, and as one JSON object a line for programs.
//
// It computes ratios and verdicts and nothing else; a missed target is a result like any other.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Result is one figure beside its floor, from the same run. The JSON names are the format that readers rely on.
type Result struct {
	// Name says what was measured; a concurrency comes after a slash, as in `check_p99/16`.
	Name string `json:"name"`
	// Unit is that of Ours and Floor: `1/s`, `ms`, `bytes`.
	Unit  string  `json:"unit"`
	Ours  float64 `json:"ours"`
	Floor float64 `json:"floor"`
	// Ratio is Ours over Floor; 0 without a floor.
	Ratio float64 `json:"ratio"`
	// Target in words: `>= 0.8 x floor`, `<= 50 ms`.
	Target string `json:"target"`
	Pass   bool   `json:"pass"`
}

// Target is what a figure is held to.
type Target struct {
	text string
	met  func(Result) bool
}

// AtLeast wants ours to be at least so many times the floor.
func AtLeast(times float64) Target {
	return Target{fmt.Sprintf(">= %g x floor", times), func(r Result) bool { return r.Floor > 0 && r.Ratio >= times }}
}

// AtMost wants ours to be at most so many times the floor.
func AtMost(times float64) Target {
	return Target{fmt.Sprintf("<= %g x floor", times), func(r Result) bool { return r.Floor > 0 && r.Ratio <= times }}
}

// Below wants ours to be at most a value, in the result's unit, whatever the floor.
func Below(value float64, unit string) Target {
	return Target{fmt.Sprintf("<= %g %s", value, unit), func(r Result) bool { return r.Ours > 0 && r.Ours <= value }}
}

// New is a result with its ratio and verdict.
func New(name, unit string, ours, floor float64, target Target) Result {
	r := Result{Name: name, Unit: unit, Ours: ours, Floor: floor, Target: target.text}
	if floor > 0 {
		r.Ratio = ours / floor
	}
	r.Pass = target.met(r)
	return r
}

// JSONL writes one object a line.
func JSONL(w io.Writer, results []Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, r := range results {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// Table writes the results for people to read.
func Table(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\tunit\tours\tfloor\tratio\ttarget\tpass")
	for _, r := range results {
		pass := "no"
		if r.Pass {
			pass = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.3g\t%s\t%s\n", r.Name, r.Unit, number(r.Ours), number(r.Floor), r.Ratio, r.Target, pass)
	}
	return t.Flush()
}

// number shows what matters of a figure.
func number(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 1:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.3f", f)
	}
}
