package config

import (
	"fmt"
	"log/slog"
	"net/url"
)

// redacted stands where a secret would.
const redacted = "REDACTED"

// Secret is a string that no print form shows. Reveal returns it.
type Secret string

// Reveal returns the secret itself: for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// String is the word REDACTED; so are the other print forms.
func (s Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return redacted }

// Format hides the secret from every verb of fmt, also from those that would show bytes (%x).
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalYAML hides the secret from Print.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// MarshalText hides the secret from encoding/json and its like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// URL is a connection string whose password, if it has one, is hidden like a Secret.
type URL string

// Reveal returns the URL with its password.
func (u URL) Reveal() string { return string(u) }

// String shows the URL without its password; a text that is not a URL is hidden whole.
func (u URL) String() string {
	if u == "" {
		return ""
	}
	parsed, err := url.Parse(string(u))
	if err != nil {
		return redacted
	}
	query := parsed.Query()
	if query.Has("password") || query.Has("sslpassword") {
		return redacted
	}
	return parsed.Redacted()
}

// GoString hides the password from %#v.
func (u URL) GoString() string { return u.String() }

// Format hides the password from every verb of fmt.
func (u URL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalYAML hides the password from Print.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// MarshalText hides the password from encoding/json and its like.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText takes the text as it is.
func (u *URL) UnmarshalText(text []byte) error {
	*u = URL(text)
	return nil
}

// LogValue hides the password from slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }
