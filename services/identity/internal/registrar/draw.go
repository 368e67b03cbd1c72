package registrar

import (
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/cardea-mesh/cardea/services/identity/internal/registry"
)

// Draw draws the digits of a PIN or an entry code, each as likely as any other that is not weak.
func Draw(kind string) registry.Digits {
	n := registry.DrawnLength(kind)
	below := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	for {
		drawn, _ := rand.Int(rand.Reader, below) // never fails: crypto/rand ends the program when the system has no randomness
		if d := registry.Digits(fmt.Sprintf("%0*d", n, drawn)); !d.Weak() {
			return d
		}
	}
}
