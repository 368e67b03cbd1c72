// Command audit-verify checks a ledger from outside: it reads every entry through the public API, recomputes the digests of
// the bodies and the chain, and compares the end with the head that the service claims and with heads that were noted earlier.
//
//	audit-verify -url https://audit.eu-central.example:8443 -ca ca.pem -key-file key -org org_euc_... -region eu-central
//
// The API key comes from -key-file or the environment variable CARDEA_API_KEY. The exit code is 0 when all is as it must be,
// 1 when something differs (where and what is printed), 2 when the command was called wrongly, and 3 when the ledger could not
// be read, so that nothing can be said.
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

	"connectrpc.com/connect"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/audit/v1/auditv1connect"
	"github.com/cardea-mesh/cardea/services/audit/internal/ledger"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"github.com/cardea-mesh/cardea/services/platform/rpc"
)

// Exit codes.
const (
	verified  = 0
	differs   = 1
	misused   = 2
	cannotSay = 3
)

// maxPage bounds one answer, in bytes; the service cuts its pages well below.
const maxPage = 32 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv("CARDEA_API_KEY"), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, key string, out, errOut io.Writer) int {
	job, err := parse(args, key, errOut)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(errOut, "audit-verify:", err)
		}
		return misused
	}
	report, err := verify(ctx, job.client, job.ledger, job.noted...)
	var difference *ledger.Difference
	switch {
	case errors.As(err, &difference):
		fmt.Fprintf(out, "ledger of %s in %s differs: %v\n", job.ledger.Org, job.ledger.Region, difference)
		return differs
	case err != nil:
		fmt.Fprintln(errOut, "audit-verify: could not read the ledger:", err)
		return cannotSay
	}
	fmt.Fprintln(out, report)
	return verified
}

// job is what the command line asks for.
type job struct {
	client auditv1connect.AuditServiceClient
	ledger ledger.ID
	noted  []ledger.Head
}

func parse(args []string, key string, errOut io.Writer) (job, error) {
	flags := flag.NewFlagSet("audit-verify", flag.ContinueOnError)
	flags.SetOutput(errOut)
	address := flags.String("url", "", "the audit service, `https://host:port`")
	caFile := flags.String("ca", "", "`file` with the PEM certificates to trust (default: the system's)")
	keyFile := flags.String("key-file", "", "`file` with the API key (default: environment variable CARDEA_API_KEY)")
	org := flags.String("org", "", "the organization's `id`")
	in := flags.String("region", "", "the region's `name`")
	size := flags.Int64("expect-size", 0, "`entries` of a head noted earlier; with -expect-hash")
	hash := flags.String("expect-hash", "", "`hash` of that head, in hexadecimal")
	if err := flags.Parse(args); err != nil {
		return job{}, flag.ErrHelp // the flag package has printed what is wrong
	}
	if flags.NArg() > 0 || *address == "" || *org == "" || *in == "" {
		flags.Usage()
		return job{}, errors.New("-url, -org and -region are needed, and nothing but flags")
	}
	noted, err := notedHead(*size, *hash)
	if err != nil {
		return job{}, err
	}
	httpClient, err := rpc.Outside{URL: *address, CAFile: *caFile, KeyFile: *keyFile, Key: key}.Client()
	if err != nil {
		return job{}, err
	}
	client := auditv1connect.NewAuditServiceClient(httpClient, *address, connect.WithReadMaxBytes(maxPage))
	return job{client: client, ledger: ledger.ID{Org: region.ID(*org), Region: region.Name(*in)}, noted: noted}, nil
}

func notedHead(size int64, hash string) ([]ledger.Head, error) {
	if (size > 0) != (hash != "") || size < 0 {
		return nil, errors.New("-expect-size (above 0) and -expect-hash go together")
	}
	if size == 0 {
		return nil, nil
	}
	h, err := ledger.ParseHash(hash)
	if err != nil {
		return nil, fmt.Errorf("-expect-hash: %w", err)
	}
	return []ledger.Head{{Size: size, Hash: h}}, nil
}
