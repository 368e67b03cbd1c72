package config

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cardea-mesh/cardea/services/platform/keyring"
)

// NeedKeys says which of the purposes have no key; nil: each has one.
func (c Common) NeedKeys(purposes ...string) error {
	var errs []error
	for _, purpose := range purposes {
		if !slices.ContainsFunc(c.Keys, func(k Key) bool { return k.Purpose == purpose }) {
			errs = append(errs, fmt.Errorf("keys: one of purpose %q is needed", purpose))
		}
	}
	return errors.Join(errs...)
}

// Ring reads the key files of a purpose.
func (c Common) Ring(purpose string) (*keyring.Ring, error) {
	var keys []keyring.Key
	for _, k := range c.Keys {
		if k.Purpose != purpose {
			continue
		}
		secret, err := k.Read()
		if err != nil {
			return nil, err
		}
		keys = append(keys, keyring.Key{ID: k.ID, Secret: secret})
	}
	ring, err := keyring.New(keys)
	if err != nil {
		return nil, fmt.Errorf("keys of purpose %s: %w", purpose, err)
	}
	return ring, nil
}
