package locksim

import (
	"bytes"
	"maps"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	"google.golang.org/protobuf/proto"
)

// Configuration is how the lock was told to behave at its door.
func (l *Lock) Configuration() *lockwirev1.Configuration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.configuration()
}

// The rest is called with mu held.

func (l *Lock) configuration() *lockwirev1.Configuration {
	c := new(lockwirev1.Configuration)
	if err := proto.Unmarshal(l.flash.Configuration, c); err != nil {
		return new(lockwirev1.Configuration)
	}
	return c
}

// configure puts what is set in c over what was.
func (l *Lock) configure(c *lockwirev1.Configuration) {
	if c == nil {
		return
	}
	is := l.configuration()
	settings := maps.Clone(is.GetSettings())
	if settings == nil {
		settings = map[string]string{}
	}
	maps.Copy(settings, c.GetSettings())
	maps.DeleteFunc(settings, func(_, value string) bool { return value == "" })
	is.Settings, c = nil, proto.CloneOf(c)
	c.Settings = nil
	proto.Merge(is, c)
	is.Settings = settings
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(is)
	if err != nil || bytes.Equal(b, l.flash.Configuration) {
		return
	}
	l.flash.Configuration = b
	l.save()
	l.doorChanged() // the limit of a door that stands open may have changed
}
