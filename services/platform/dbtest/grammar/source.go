package grammar

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/sem/tree"
)

// source is a statement in Go code.
type source struct {
	at  string // file:line
	sql string
}

var beginsSQL = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|ALTER|CREATE|UPSERT|GRANT|DROP)\s`)

// statementsOf returns the SQL in the Go files below dir: string literals and constants, also put together with +, that
// begin with an SQL verb in capitals. Tests are left out, and files named *_postgres.go and *_cockroach.go, which hold what
// one engine needs.
func statementsOf(dir string) ([]source, error) {
	var found []source
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || name == "dbtest" {
			return fs.SkipDir
		}
		in, err := statementsOfPackage(path)
		found = append(found, in...)
		return err
	})
	return found, err
}

func statementsOfPackage(dir string) ([]source, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	p := pkg{fset: token.NewFileSet(), constants: map[string]string{}}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_postgres.go") || strings.HasSuffix(name, "_cockroach.go") {
			continue
		}
		f, err := parser.ParseFile(p.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, f)
	}
	p.resolve()
	return p.statements()
}

// pkg is one package's files and the string constants at their top.
type pkg struct {
	fset      *token.FileSet
	files     []*ast.File
	constants map[string]string
}

// resolve reads constants until no more can be: one may use another that is declared later.
func (p *pkg) resolve() {
	for before := -1; before != len(p.constants); {
		before = len(p.constants)
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok {
					return true
				}
				for i, name := range spec.Names {
					if i < len(spec.Values) {
						if text, ok := p.eval(spec.Values[i]); ok {
							p.constants[name.Name] = text
						}
					}
				}
				return true
			})
		}
	}
}

// eval returns the text of an expression made of literals and constants.
func (p *pkg) eval(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		text, ok := p.constants[e.Name]
		return text, ok
	case *ast.ParenExpr:
		return p.eval(e.X)
	case *ast.BinaryExpr:
		left, ok := p.eval(e.X)
		right, also := p.eval(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}

func (p *pkg) statements() (found []source, err error) {
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			if _, ident := e.(*ast.Ident); ident {
				return true // found where it is declared
			}
			text, known := p.eval(e)
			if known && beginsSQL.MatchString(text) {
				found = append(found, source{p.fset.Position(e.Pos()).String(), text})
			}
			if b, sum := e.(*ast.BinaryExpr); sum && !known && b.Op == token.ADD && p.begins(b) {
				err = fmt.Errorf("%s: SQL put together at run time cannot be checked", p.fset.Position(e.Pos()))
			}
			return !known
		})
	}
	return found, err
}

// begins says whether a sum's leftmost part begins like SQL.
func (p *pkg) begins(e ast.Expr) bool {
	if b, sum := e.(*ast.BinaryExpr); sum {
		return p.begins(b.X)
	}
	text, known := p.eval(e)
	return known && beginsSQL.MatchString(text+" ")
}

func collectCTEs(s tree.Statement, names map[string]bool) {
	for _, cte := range with(s) {
		names[string(cte.Name.Alias)] = true
		collectCTEs(cte.Stmt, names)
	}
}
