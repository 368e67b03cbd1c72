package outbox

import "context"

// A commit may be shared: several commands, each with its own caller, write one version of the organization.

// As lets what is added from now on bear the actor, cause and trace of ctx, as Begin does with those of its own.
func (c *Commit) As(ctx context.Context) { c.context = notesFrom(ctx) }

// Mark is what a commit had collected at one moment.
type Mark struct {
	facts, events, calls int
	err                  error
}

// Mark remembers what is collected now.
func (c *Commit) Mark() Mark {
	return Mark{facts: len(c.facts), events: len(c.events), calls: len(c.calls), err: c.err}
}

// Undo forgets what was added since the mark, mistakes included. The version stays the commit's.
func (c *Commit) Undo(to Mark) {
	c.facts, c.events, c.calls, c.err = c.facts[:to.facts], c.events[:to.events], c.calls[:to.calls], to.err
}

// Err returns the mistakes so far, which Flush would report.
func (c *Commit) Err() error { return c.err }
