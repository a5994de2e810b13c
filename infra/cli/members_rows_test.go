package cli

import (
	"strings"
	"testing"

	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/export"
)

// Whatever is in a file, nobody is made of a masked name, nobody stands on two
// lines, and every row is either taken or named once.
func FuzzMembersFile(f *testing.F) {
	for _, seed := range []string{
		"phone,points\n13800000000,5\n",
		"buyer:tmall,phone,points,points_until,growth,growth_month,joined_at,consents\nb,+8613800000000,5@2027-01-01;6,2027-02-02,7,2026-1,2020-1-1 1:1,marketing\n",
		"phone\n138****0000\n１３８ ００００ ００００\n13800000000-123\n",
		"phone,points\n\"13800000000\",\"5\n6\n",
		"buyer:tmall,points\na,99999999999999999999\na,1\n",
		"\xef\xbb\xbfphone\r1\r",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, err := export.NewCSV(strings.NewReader(string(raw)), export.EncodingAuto)
		if err != nil {
			return
		}
		file := membersFile{name: "f", source: "s"}
		found, err := file.read(rows)
		if err != nil {
			return
		}
		lines, people := map[int]bool{}, map[identityFlag]bool{}
		for _, member := range found.Members {
			if lines[member.Line] || member.Line < 2 || len(member.Identities) == 0 {
				t.Errorf("%+v", member)
			}
			lines[member.Line] = true
			for _, identity := range member.Identities {
				if orders.IsMasked(identity.Value) || people[identity] || identity.Value == "" || identity.Kind == "phone" && !strings.HasPrefix(identity.Value, "+") {
					t.Errorf("%+v", identity)
				}
				people[identity] = true
			}
			for _, part := range member.Opening.Points {
				if part.Points < 1 || part.Points > 1_000_000_000 {
					t.Errorf("%+v", part)
				}
			}
			for _, part := range member.Opening.Growth {
				if part.Growth < 1 || len(part.Month) != len("2026-11") {
					t.Errorf("%+v", part)
				}
			}
		}
		for _, refused := range found.Refused {
			if lines[refused.Line] {
				t.Errorf("line %d is taken and refused", refused.Line)
			}
		}
	})
}
