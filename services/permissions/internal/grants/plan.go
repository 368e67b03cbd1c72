package grants

import "github.com/cardea-mesh/cardea/services/platform/region"

// Plan says before a command runs where it is going to write and what it is going to read, so that the commands that wait
// for one organization's next commit are made part of it together, and their reads are fetched together.
//
// Org and Home are binding: the commit that the command begins. (It may begin others as well, in other regions.) Reads and
// Members are hints: what is not named is read when the command asks for it.
type Plan struct {
	Org  region.ID
	Home region.Name
	// Reads are things that the command looks up by their ids.
	Reads []region.ID
	// Members are pairs of which it asks whether one is in the other, and who follows the group.
	Members []Membership
}
