package notify

import (
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

// MemberOf is the member whom a message of the id went to; false for what is no
// id of ours.
func MemberOf(id string) (loyalty.MemberID, bool) {
	parts := strings.SplitN(id, ":", 3)
	if len(parts) != 3 || parts[0] != "remind" || parts[1] == "" {
		return "", false
	}
	return loyalty.MemberID(parts[1]), true
}
