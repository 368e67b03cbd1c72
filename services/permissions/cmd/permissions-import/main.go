// Command permissions-import makes doors, groups, memberships or grants from a CSV file, through the public API.
//
//	permissions-import -url https://permissions.eu-central.example:8443 -ca ca.pem -key-file key \
//	    -org org_euc_... -region eu-central -kind grants -name spring-2026 [-dry-run] grants.csv
//
// The first line names the columns:
//
//	doors        site_id,name[,unlock_seconds]
//	groups       name
//	memberships  group_id,member_id
//	grants       subject_id,target_id[,schedule_id][,valid_from][,valid_to]
//
// The file is sent in pieces. What is wrong with a line is printed with its number, and the line is left out; the ids of what
// was made go to -ids. Called again with the same -name it goes on after the last piece that was taken; a finished import
// does nothing. -dry-run checks every line against how things are now and writes nothing.
//
// The API key comes from -key-file or the environment variable CARDEA_API_KEY. The exit code is 0 when every line was right,
// 1 when some were not, 2 when the command was called wrongly, and 3 when the import stopped on the way: what it
// prints says what to do before it is called again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

// Exit codes.
const (
	allRight  = 0
	someWrong = 1
	misused   = 2
	stopped   = 3
)

var kinds = map[string]permissionsv1.ImportKind{
	"doors":       permissionsv1.ImportKind_IMPORT_KIND_DOORS,
	"groups":      permissionsv1.ImportKind_IMPORT_KIND_GROUPS,
	"memberships": permissionsv1.ImportKind_IMPORT_KIND_MEMBERSHIPS,
	"grants":      permissionsv1.ImportKind_IMPORT_KIND_GRANTS,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv("CARDEA_API_KEY"), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, key string, out, errOut io.Writer) int {
	job, err := parse(args, key, errOut)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(errOut, "permissions-import:", err)
		}
		return misused
	}
	defer job.close()
	total, err := job.send(ctx, out)
	if err != nil {
		fmt.Fprintf(errOut, "permissions-import: stopped before line %d: %v\n", total.next, err)
		if passes(err) || ctx.Err() != nil {
			fmt.Fprintln(errOut, "permissions-import: call it again to go on")
		} else {
			fmt.Fprintln(errOut, "permissions-import: mend this, then call it again to go on")
		}
		return stopped
	}
	if total.refused > 0 {
		return someWrong
	}
	return allRight
}

// job is what the command line asks for.
type job struct {
	client  permissionsv1connect.PermissionsServiceClient
	request *permissionsv1.ImportRequest // without its piece
	lines   int                          // of a piece
	file    *os.File
	ids     io.WriteCloser // nil: not wanted
}

func (j job) close() {
	_ = j.file.Close() // only read
	if j.ids != nil {
		_ = j.ids.Close() // each write was checked
	}
}

func parse(args []string, key string, errOut io.Writer) (job, error) {
	flags := flag.NewFlagSet("permissions-import", flag.ContinueOnError)
	flags.SetOutput(errOut)
	address := flags.String("url", "", "the permissions service, `https://host:port`")
	caFile := flags.String("ca", "", "`file` with the PEM certificates to trust (default: the system's)")
	keyFile := flags.String("key-file", "", "`file` with the API key (default: environment variable CARDEA_API_KEY)")
	org := flags.String("org", "", "the organization's `id`")
	in := flags.String("region", "", "`name` of the region in which everything of the file lives")
	kind := flags.String("kind", "", "what the lines make: `doors|groups|memberships|grants`")
	name := flags.String("name", "", "`name` of the import, chosen by you; the same name goes on with the same import")
	lines := flags.Int("lines", 500, "`lines` of a piece, 1 to 1000")
	dry := flags.Bool("dry-run", false, "check every line and write nothing")
	ids := flags.String("ids", "", "`file` to which `line,id` of what was made is added (default: nowhere)")
	if err := flags.Parse(args); err != nil {
		return job{}, flag.ErrHelp // the flag package has printed what is wrong
	}
	what, known := kinds[*kind]
	if !known && *kind != "" {
		return job{}, fmt.Errorf("-kind %q is none of doors, groups, memberships, grants", *kind)
	}
	if flags.NArg() != 1 || !known || *address == "" || *org == "" || *in == "" || *name == "" || *lines < 1 || *lines > 1000 {
		flags.Usage()
		return job{}, errors.New("-url, -org, -region, -kind and -name are needed, and one file after them")
	}
	client, err := rpc.Outside{URL: *address, CAFile: *caFile, KeyFile: *keyFile, Key: key}.Client()
	if err != nil {
		return job{}, err
	}
	j := job{
		client: permissionsv1connect.NewPermissionsServiceClient(client, *address), lines: *lines,
		request: &permissionsv1.ImportRequest{OrgId: *org, Region: *in, ImportName: *name, Kind: what, DryRun: *dry},
	}
	if j.file, err = os.Open(flags.Arg(0)); err != nil {
		return job{}, err
	}
	if *ids != "" {
		j.ids, err = os.OpenFile(*ids, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	}
	return j, err
}
