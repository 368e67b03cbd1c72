package events

import (
	"time"

	"github.com/cardea-mesh/cardea/services/permissions/internal/contract"
	"github.com/cardea-mesh/cardea/services/platform/region"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// stamp is unset for a time that is not stated.
func stamp(t time.Time) *timestamppb.Timestamp { return contract.Stamp(t) }

func texts(ids []region.ID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}
