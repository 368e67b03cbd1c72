package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
	"github.com/cardea-mesh/cardea/services/policy/credential"
)

func TestWhatACredentialIsMadeOf(t *testing.T) {
	t.Parallel()
	uid := registry.CardNumber{Format: "uid", BitLength: 32, Bits: []byte{4, 1, 2, 3}}
	for name, c := range map[string]struct {
		what registry.Carried
		want error
	}{
		"a card":                    {registry.Carried{Kind: "card", Card: uid}, nil},
		"a card that nobody reads":  {registry.Carried{Kind: "card", Card: registry.CardNumber{Format: "uid", BitLength: 32}}, credential.ErrMalformed},
		"a card without a number":   {registry.Carried{Kind: "card"}, registry.ErrParts},
		"a card with digits":        {registry.Carried{Kind: "card", Card: uid, Digits: "0427"}, registry.ErrParts},
		"a phone with a uid":        {registry.Carried{Kind: "mobile", Card: uid}, registry.ErrParts},
		"a PIN with a card":         {registry.Carried{Kind: "pin", Card: uid}, registry.ErrParts},
		"a code with half a card":   {registry.Carried{Kind: "entry_code", Card: registry.CardNumber{Bits: []byte{1}}}, registry.ErrParts},
		"a kind of a later version": {registry.Carried{Kind: ""}, registry.ErrParts},
		"a PIN to draw":             {registry.Carried{Kind: "pin"}, nil},
		"a PIN of 3":                {registry.Carried{Kind: "pin", Digits: "042"}, registry.ErrDigits},
		"a PIN of 4":                {registry.Carried{Kind: "pin", Digits: "0427"}, nil},
		"a PIN of 12":               {registry.Carried{Kind: "pin", Digits: "739104852617"}, nil},
		"a PIN of 13":               {registry.Carried{Kind: "pin", Digits: "7391048526170"}, registry.ErrDigits},
		"a PIN of letters":          {registry.Carried{Kind: "pin", Digits: "04a7"}, registry.ErrDigits},
		"a PIN of other digits":     {registry.Carried{Kind: "pin", Digits: "٠٤٢"}, registry.ErrDigits},
		"a code to draw":            {registry.Carried{Kind: "entry_code"}, nil},
		"a code of 5":               {registry.Carried{Kind: "entry_code", Digits: "04273"}, registry.ErrDigits},
		"a code of 6":               {registry.Carried{Kind: "entry_code", Digits: "042738"}, nil},
		"all the same":              {registry.Carried{Kind: "entry_code", Digits: "777777"}, registry.ErrDigits},
		"counting up":               {registry.Carried{Kind: "pin", Digits: "1234"}, registry.ErrDigits},
		"counting up over the top":  {registry.Carried{Kind: "pin", Digits: "7890"}, registry.ErrDigits},
		"counting down":             {registry.Carried{Kind: "pin", Digits: "4321"}, registry.ErrDigits},
		"counting almost":           {registry.Carried{Kind: "pin", Digits: "1235"}, nil},
		"counting in twos":          {registry.Carried{Kind: "pin", Digits: "2468"}, nil},
	} {
		err := c.what.Check()
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if text := fmt.Sprintf("%v %v %#v", err, c.what, c.what); c.what.Digits != "" && strings.Contains(text, string(c.what.Digits)) {
			t.Errorf("%s: the digits are printed: %s", name, text)
		}
	}
}
