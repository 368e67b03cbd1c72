package lockconformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Outcome is what became of a rule.
type Outcome string

// The outcomes.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Skipped Outcome = "skipped"
)

// Result is what became of one rule.
type Result struct {
	// Rule is the name in PROTOCOL.md, e.g. R-HELLO-1.
	Rule    string
	Outcome Outcome
	// Why is one line: what was seen, or why nothing could be.
	Why  string
	Took time.Duration
}

// Report is a whole run, in the order of the page.
type Report []Result

// Failed are the rules that failed.
func (r Report) Failed() []string {
	var failed []string
	for _, one := range r {
		if one.Outcome == Fail {
			failed = append(failed, one.Rule)
		}
	}
	return failed
}

// Count is how many rules have an outcome.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, one := range r {
		if one.Outcome == o {
			n++
		}
	}
	return n
}

// skip is the error of a check that could not be made.
type skip string

func (s skip) Error() string { return string(s) }

// remark is the error of a check that was passed, with something to say about it.
type remark string

func (r remark) Error() string { return string(r) }

// tried is what a check's end means that was made again so many times.
func tried(err error, again int) error {
	if err == nil && again > 0 {
		return remark(fmt.Sprintf("at the %d. try: the connection broke before", again+1))
	}
	return err
}

// check is one way to look whether the other end keeps a rule. Its error: a skip, a remark, or what is wrong.
type check[T any] func(ctx context.Context, run T) error

// ruleLimit is how long a rule is looked at.
const ruleLimit = 5 * time.Minute

// perform makes one check and prints its line.
func perform[T any](ctx context.Context, out io.Writer, run T, rule string, do check[T]) Result {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, ruleLimit)
	defer cancel()
	result := Result{Rule: rule, Outcome: Pass}
	var skipped skip
	var remarked remark
	switch err := do(ctx, run); {
	case errors.As(err, &remarked):
		result.Why = string(remarked)
	case errors.As(err, &skipped):
		result.Outcome, result.Why = Skipped, string(skipped)
	case err != nil:
		result.Outcome, result.Why = Fail, err.Error()
	}
	result.Took = time.Since(began)
	printLine(out, result)
	return result
}

// passOver prints the line of a rule that is not looked at.
func passOver(out io.Writer, rule, why string) Result {
	result := Result{Rule: rule, Outcome: Skipped, Why: why}
	printLine(out, result)
	return result
}

func printLine(out io.Writer, r Result) {
	line := fmt.Sprintf("%-8s %-14s %s", r.Outcome, r.Rule, strings.ReplaceAll(r.Why, "\n", " "))
	if r.Took >= time.Second {
		line = fmt.Sprintf("%s (%s)", strings.TrimRight(line, " "), r.Took.Round(100*time.Millisecond))
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}

// Print writes the summary.
func (r Report) Print(out io.Writer) {
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.Count(Pass), r.Count(Fail), r.Count(Skipped))
	if failed := r.Failed(); len(failed) > 0 {
		slices.Sort(failed)
		fmt.Fprintln(out, "failed:", strings.Join(failed, " "))
	}
}
