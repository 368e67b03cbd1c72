package floor_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"connectrpc.com/connect"

	lockwirev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/lockwire/v1"
	permissionsv1 "github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1"
	"github.com/cardea-mesh/cardea/proto/gen/cardea/permissions/v1/permissionsv1connect"
	"github.com/cardea-mesh/cardea/services/e2e/bench/floor"
	"github.com/cardea-mesh/cardea/services/e2e/bench/lockwire"
	"github.com/cardea-mesh/cardea/services/e2e/bench/system"
	"github.com/cardea-mesh/cardea/services/platform/pki"
)

// listen returns a listener, a server's TLS and its client's.
func listen(t *testing.T) (l net.Listener, server, client *tls.Config) {
	t.Helper()
	root, err := pki.NewRoot("test", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := root.IssueServer("localhost")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: root.Pool(), ServerName: "localhost"}
}

func TestALockIsAnsweredByTheEcho(t *testing.T) {
	l, server, client := listen(t)
	frame, err := lockwire.AppendFrame(nil, lockwirev1.FrameType_FRAME_TYPE_ACCESS_DECISION,
		&lockwirev1.AccessDecision{RequestId: 1, Outcome: lockwirev1.Outcome_OUTCOME_GRANTED})
	if err != nil {
		t.Fatal(err)
	}
	go floor.Echo(l, server, frame)
	lock, err := lockwire.Dial(t.Context(), l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for range 3 {
		var got lockwirev1.AccessDecision
		if err := lock.Ask(new(lockwirev1.Card), &got); err != nil {
			t.Fatal(err)
		}
		if got.GetOutcome() != lockwirev1.Outcome_OUTCOME_GRANTED {
			t.Errorf("got %v", &got)
		}
	}
}

func TestABareHandlerAnswersLikePermissions(t *testing.T) {
	l, server, client := listen(t)
	go floor.Connect(l, server)
	encoding := "no answer"
	look := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			answer, err := next(ctx, req)
			if err == nil {
				encoding = answer.Header().Get("Content-Encoding")
			}
			return answer, err
		}
	})
	bare := permissionsv1connect.NewPermissionsServiceClient(system.Client(client), "https://"+l.Addr().String(), connect.WithInterceptors(look))
	got, err := bare.Check(t.Context(), &permissionsv1.CheckRequest{OrgId: "org"})
	if err != nil || got.GetDecision().GetRevision().GetOrgId() != "org" {
		t.Errorf("got %v, %v", got, err)
	}
	if encoding != "" {
		t.Errorf("the floor pays for %s, ours does not", encoding)
	}
}
