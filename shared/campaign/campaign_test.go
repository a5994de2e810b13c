package campaign_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/loyalty"
)

func shanghai(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func at(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

func valid() campaign.Campaign {
	return campaign.Campaign{
		ID: "morning", Audience: "regulars", Template: "ten-off", State: campaign.StateActive,
		Schedule: campaign.Schedule{Cron: "0 9 * * *"}, CreatedAt: at("2026-11-01T00:00:00+08:00"),
	}
}

func TestDueByCron(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*campaign.Campaign)
		now    string
		want   string // "" for not due
	}{
		"at the instant":                       {nil, "2026-11-21T09:00:00+08:00", "2026-11-21T01:00:00Z"},
		"a second before":                      {nil, "2026-11-21T08:59:59+08:00", "2026-11-20T01:00:00Z"},
		"late":                                 {nil, "2026-11-21T20:00:00+08:00", "2026-11-21T01:00:00Z"},
		"in another zone's hand":               {nil, "2026-11-21T01:00:00Z", "2026-11-21T01:00:00Z"},
		"ran":                                  {func(c *campaign.Campaign) { c.Ran.At = at("2026-11-21T01:00:00Z") }, "2026-11-21T20:00:00+08:00", ""},
		"ran the day before":                   {func(c *campaign.Campaign) { c.Ran.At = at("2026-11-20T01:00:00Z") }, "2026-11-21T20:00:00+08:00", "2026-11-21T01:00:00Z"},
		"fired for a time before the last run": {func(c *campaign.Campaign) { c.Ran.At = at("2026-11-25T01:00:00Z") }, "2026-11-21T20:00:00+08:00", "2026-11-21T01:00:00Z"},
		"timed after it": {func(c *campaign.Campaign) {
			c.TimedAt, c.Ran.At = at("2026-11-21T10:00:00+08:00"), at("2026-11-25T01:00:00Z")
		}, "2026-11-21T20:00:00+08:00", ""},
		"created after it":      {func(c *campaign.Campaign) { c.CreatedAt = at("2026-11-21T09:00:01+08:00") }, "2026-11-21T20:00:00+08:00", ""},
		"created in the future": {func(c *campaign.Campaign) { c.CreatedAt = at("2027-11-21T09:00:01+08:00") }, "2026-11-21T20:00:00+08:00", ""},
		"paused":                {func(c *campaign.Campaign) { c.State = campaign.StatePaused }, "2026-11-21T09:00:00+08:00", ""},
		"until is the instant":  {func(c *campaign.Campaign) { c.Schedule.Until = at("2026-11-21T09:00:00+08:00") }, "2026-11-21T12:00:00+08:00", "2026-11-21T01:00:00Z"},
		"until was before": {func(c *campaign.Campaign) {
			c.Schedule.Until = at("2026-11-21T08:59:59+08:00")
			c.Ran.At = at("2026-11-20T01:00:00Z")
		}, "2026-11-21T12:00:00+08:00", ""},
		"several missed: the latest":       {func(c *campaign.Campaign) { c.Schedule.Cron = "0 * * * *" }, "2026-11-21T12:30:00+08:00", "2026-11-21T04:00:00Z"},
		"missed by a day":                  {func(c *campaign.Campaign) { c.Schedule.Cron = "0 9 20 * *" }, "2026-11-21T09:00:00+08:00", "2026-11-20T01:00:00Z"},
		"missed by more than a day":        {func(c *campaign.Campaign) { c.Schedule.Cron = "0 9 20 * *" }, "2026-11-21T09:00:01+08:00", ""},
		"the last day of February":         {func(c *campaign.Campaign) { c.Schedule.Cron = "0 0 29 2 *" }, "2028-02-29T10:00:00+08:00", "2028-02-28T16:00:00Z"},
		"a schedule that Validate refuses": {func(c *campaign.Campaign) { c.Schedule.Cron = "TZ=UTC" }, "2026-11-21T09:00:00+08:00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			if test.change != nil {
				test.change(&c)
			}
			got, due := c.Due(at(test.now), shanghai(t))
			if due != (test.want != "") || due && (got.ID != test.want || !got.At.Equal(at(test.want))) {
				t.Errorf("due %v %v, want %q", due, got, test.want)
			}
		})
	}
}

func TestDueOnce(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*campaign.Campaign)
		now    string
		want   bool
	}{
		"before":                    {nil, "2026-11-21T08:59:59+08:00", false},
		"at the instant":            {nil, "2026-11-21T09:00:00+08:00", true},
		"a day late":                {nil, "2026-11-22T09:00:00+08:00", true},
		"later than a day":          {nil, "2026-11-22T09:00:01+08:00", false},
		"created after the instant": {func(c *campaign.Campaign) { c.CreatedAt = at("2026-11-21T09:30:00+08:00") }, "2026-11-21T09:31:00+08:00", true},
		"ran":                       {func(c *campaign.Campaign) { c.Ran = campaign.Ran{Occurrence: campaign.Once, At: c.Schedule.At} }, "2026-11-21T10:00:00+08:00", false},
		"ran and was moved": {func(c *campaign.Campaign) {
			c.Ran = campaign.Ran{Occurrence: campaign.Once, At: at("2026-11-20T09:00:00+08:00")}
		}, "2026-11-21T10:00:00+08:00", false},
		"ran by cron before": {func(c *campaign.Campaign) {
			c.Ran = campaign.Ran{Occurrence: "2026-11-20T01:00:00Z", At: at("2026-11-20T01:00:00Z")}
		}, "2026-11-21T10:00:00+08:00", true},
		"paused": {func(c *campaign.Campaign) { c.State = campaign.StatePaused }, "2026-11-21T10:00:00+08:00", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			c.Schedule = campaign.Schedule{At: at("2026-11-21T09:00:00+08:00")}
			if test.change != nil {
				test.change(&c)
			}
			got, due := c.Due(at(test.now), shanghai(t))
			if due != test.want || due && (got.ID != campaign.Once || !got.At.Equal(c.Schedule.At)) {
				t.Errorf("due %v %v, want %v", due, got, test.want)
			}
		})
	}
}

// However often the schedule fires, every instant of a day is run exactly
// once and in order, as long as it fires between any two of them.
func TestDueRunsEveryInstantOnce(t *testing.T) {
	zone := shanghai(t)
	rapid.Check(t, func(t *rapid.T) {
		c := valid()
		c.Schedule.Cron = "0 */2 * * *"
		start := at("2026-11-21T00:30:00+08:00")
		c.CreatedAt = start
		var ran []time.Time
		for now := start; now.Before(start.Add(24 * time.Hour)); {
			now = now.Add(time.Duration(rapid.IntRange(0, 119).Draw(t, "minutes")) * time.Minute)
			occurrence, due := c.Due(now, zone)
			if !due {
				continue
			}
			again, _ := c.Due(now, zone)
			if again != occurrence {
				t.Fatalf("the same firing gives %v and %v", occurrence, again)
			}
			ran = append(ran, occurrence.At)
			c.Ran = campaign.Ran{Occurrence: occurrence.ID, At: occurrence.At}
		}
		for i, instant := range ran {
			if want := at("2026-11-21T02:00:00+08:00").Add(time.Duration(i) * 2 * time.Hour); !instant.Equal(want) {
				t.Fatalf("run %d is of %v, want %v", i, instant, want)
			}
		}
		if len(ran) < 11 {
			t.Fatalf("%d instants ran in a day, want at least 11", len(ran))
		}
	})
}

// Every local day has one occurrence of a daily campaign, also where its time
// comes twice or not at all.
func TestDueOnADayOfChangingClocks(t *testing.T) {
	for name, test := range map[string]struct {
		zone, cron, from string
		want             []string
	}{
		"New York, twice": {"America/New_York", "30 1 * * *", "2027-11-06T12:00:00Z", []string{"2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"}},
		"New York, never": {"America/New_York", "30 2 * * *", "2027-03-13T12:00:00Z", []string{"2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"}},
		"New York, every quarter of the hour that does not come": {"America/New_York", "*/15 2 * * *", "2027-03-14T00:00:00Z", []string{"2027-03-14T07:00:00Z", "2027-03-15T06:00:00Z"}},
		"Lord Howe, twice":                       {"Australia/Lord_Howe", "45 1 * * *", "2027-04-03T00:00:00Z", []string{"2027-04-03T14:45:00Z", "2027-04-04T15:15:00Z"}},
		"Lord Howe, never":                       {"Australia/Lord_Howe", "15 2 * * *", "2027-10-02T00:00:00Z", []string{"2027-10-02T15:30:00Z", "2027-10-03T15:15:00Z"}},
		"Shanghai's last summer time, its start": {"Asia/Shanghai", "30 2 * * *", "1991-04-13T00:00:00Z", []string{"1991-04-13T18:00:00Z", "1991-04-14T17:30:00Z"}},
		"Shanghai's last summer time, its end":   {"Asia/Shanghai", "30 1 * * *", "1991-09-14T00:00:00Z", []string{"1991-09-14T16:30:00Z", "1991-09-15T17:30:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			zone, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			c := valid()
			c.Schedule.Cron, c.CreatedAt = test.cron, at(test.from)
			var got []string
			for now := c.CreatedAt; len(got) < len(test.want) && now.Before(c.CreatedAt.Add(72*time.Hour)); now = now.Add(time.Minute) {
				if occurrence, due := c.Due(now, zone); due {
					if !occurrence.At.Equal(now) {
						t.Fatalf("%s is due at %s", occurrence.ID, now)
					}
					got = append(got, occurrence.ID)
					c.Ran = campaign.Ran{Occurrence: occurrence.ID, At: occurrence.At}
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("occurrences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestACampaignThatWouldNeverRunIsNotStarted(t *testing.T) {
	now := at("2026-11-21T12:00:00+08:00")
	once := func(when string) campaign.Campaign {
		c := valid()
		c.Schedule = campaign.Schedule{At: at(when)}
		return c
	}
	paused := func(c campaign.Campaign) campaign.Campaign { c.State = campaign.StatePaused; return c }
	ran := func(c campaign.Campaign) campaign.Campaign {
		c.Ran = campaign.Ran{Occurrence: campaign.Once, At: c.Schedule.At}
		return c
	}
	until := func(cron, end string) campaign.Campaign {
		c := valid()
		c.Schedule = campaign.Schedule{Cron: cron, Until: at(end)}
		return c
	}
	renamed := func(c campaign.Campaign) campaign.Campaign { c.Name = "another"; return c }
	const dayAgo, longerAgo = "2026-11-20T12:00:00+08:00", "2026-11-20T11:59:59+08:00"
	for name, test := range map[string]struct {
		c, was campaign.Campaign
		want   string // pointer and code, "" for none
	}{
		"to come":                         {once("2026-11-22T00:00:00Z"), campaign.Campaign{}, ""},
		"a day ago":                       {once(dayAgo), campaign.Campaign{}, ""},
		"longer ago":                      {once(longerAgo), campaign.Campaign{}, "/schedule/at past"},
		"longer ago, paused":              {paused(once(longerAgo)), campaign.Campaign{}, "/schedule/at past"},
		"made active too late":            {once(longerAgo), paused(once(longerAgo)), "/schedule/at past"},
		"moved to the past":               {once(longerAgo), once("2026-11-22T00:00:00Z"), "/schedule/at past"},
		"renamed after it ran":            {renamed(once(longerAgo)), ran(once(longerAgo)), ""},
		"paused after it ran":             {paused(once(longerAgo)), ran(once(longerAgo)), ""},
		"moved after it ran":              {once("2026-11-22T00:00:00Z"), ran(once(longerAgo)), "/schedule/at already_ran"},
		"resumed while it runs":           {once(dayAgo), paused(ran(once(dayAgo))), ""},
		"cron without an end":             {valid(), campaign.Campaign{}, ""},
		"cron that ends":                  {until("0 9 * * *", "2026-11-22T09:00:00+08:00"), campaign.Campaign{}, ""},
		"cron that ended":                 {until("0 9 * * *", longerAgo), campaign.Campaign{}, "/schedule/until past"},
		"cron that ends before it begins": {until("0 9 * * *", "2026-11-22T08:59:59+08:00"), campaign.Campaign{}, "/schedule/until never"},
		"paused after its end":            {paused(until("0 9 * * *", longerAgo)), until("0 9 * * *", longerAgo), ""},
		"made active after its end":       {until("0 9 * * *", longerAgo), paused(until("0 9 * * *", longerAgo)), "/schedule/until past"},
	} {
		t.Run(name, func(t *testing.T) {
			c := test.c
			c.CreatedAt = now
			err := c.Startable(test.was, now, shanghai(t))
			got := ""
			if refusal, ok := err.(*loyalty.Error); ok && refusal.Kind == loyalty.KindInvalid {
				got = refusal.Fields[0].Pointer + " " + refusal.Fields[0].Code
			} else if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*campaign.Campaign)
		want   loyalty.Field // zero for none
	}{
		"good":            {func(*campaign.Campaign) {}, loyalty.Field{}},
		"good once":       {func(c *campaign.Campaign) { c.Schedule = campaign.Schedule{At: at("2026-11-21T09:00:00Z")} }, loyalty.Field{}},
		"good weekday":    {func(c *campaign.Campaign) { c.Schedule.Cron = "30 10 * * MON-FRI" }, loyalty.Field{}},
		"good leap day":   {func(c *campaign.Campaign) { c.Schedule.Cron = "0 0 29 2 *" }, loyalty.Field{}},
		"no id":           {func(c *campaign.Campaign) { c.ID = "" }, loyalty.Field{Pointer: "/id", Code: "malformed"}},
		"id with a slash": {func(c *campaign.Campaign) { c.ID = "../a" }, loyalty.Field{Pointer: "/id", Code: "malformed"}},
		"id with a break": {func(c *campaign.Campaign) { c.ID = "a\n" }, loyalty.Field{Pointer: "/id", Code: "malformed"}},
		"long id":         {func(c *campaign.Campaign) { c.ID = fmt.Sprintf("%065d", 1) }, loyalty.Field{Pointer: "/id", Code: "malformed"}},
		"long name":       {func(c *campaign.Campaign) { c.Name = fmt.Sprintf("%0201d", 1) }, loyalty.Field{Pointer: "/name", Code: "too_long"}},
		"no audience":     {func(c *campaign.Campaign) { c.Audience = "" }, loyalty.Field{Pointer: "/audience", Code: "required"}},
		"no template":     {func(c *campaign.Campaign) { c.Template = "" }, loyalty.Field{Pointer: "/template", Code: "required"}},
		"holdout below":   {func(c *campaign.Campaign) { c.Holdout = -1 }, loyalty.Field{Pointer: "/holdout", Code: "out_of_range"}},
		"holdout above":   {func(c *campaign.Campaign) { c.Holdout = 51 }, loyalty.Field{Pointer: "/holdout", Code: "out_of_range"}},
		"no state":        {func(c *campaign.Campaign) { c.State = "" }, loyalty.Field{Pointer: "/state", Code: "unknown"}},
		"no schedule":     {func(c *campaign.Campaign) { c.Schedule = campaign.Schedule{} }, loyalty.Field{Pointer: "/schedule", Code: "required"}},
		"both schedules":  {func(c *campaign.Campaign) { c.Schedule.At = at("2026-11-21T09:00:00Z") }, loyalty.Field{Pointer: "/schedule", Code: "required"}},
		"until once": {func(c *campaign.Campaign) {
			c.Schedule = campaign.Schedule{At: at("2026-11-21T09:00:00Z"), Until: at("2026-11-22T09:00:00Z")}
		}, loyalty.Field{Pointer: "/schedule/until", Code: "not_allowed"}},
		"year 1":        {func(c *campaign.Campaign) { c.Schedule = campaign.Schedule{At: at("0001-11-21T09:00:00Z")} }, loyalty.Field{Pointer: "/schedule/at", Code: "out_of_range"}},
		"six fields":    {func(c *campaign.Campaign) { c.Schedule.Cron = "0 0 9 * * *" }, loyalty.Field{Pointer: "/schedule/cron", Code: "malformed"}},
		"descriptor":    {func(c *campaign.Campaign) { c.Schedule.Cron = "@daily" }, loyalty.Field{Pointer: "/schedule/cron", Code: "malformed"}},
		"minute 60":     {func(c *campaign.Campaign) { c.Schedule.Cron = "60 9 * * *" }, loyalty.Field{Pointer: "/schedule/cron", Code: "malformed"}},
		"own zone":      {func(c *campaign.Campaign) { c.Schedule.Cron = "TZ=UTC 0 9 * * *" }, loyalty.Field{Pointer: "/schedule/cron", Code: "malformed"}},
		"bare zone":     {func(c *campaign.Campaign) { c.Schedule.Cron = "CRON_TZ=UTC" }, loyalty.Field{Pointer: "/schedule/cron", Code: "malformed"}},
		"never comes":   {func(c *campaign.Campaign) { c.Schedule.Cron = "0 9 30 2 *" }, loyalty.Field{Pointer: "/schedule/cron", Code: "never"}},
		"a long string": {func(c *campaign.Campaign) { c.Schedule.Cron = fmt.Sprintf("%0200d", 1) }, loyalty.Field{Pointer: "/schedule/cron", Code: "malformed"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			test.change(&c)
			err := c.Validate()
			if test.want == (loyalty.Field{}) {
				if err != nil {
					t.Fatalf("Validate: %v", err)
				}
				return
			}
			refusal, ok := err.(*loyalty.Error)
			if !ok || refusal.Kind != loyalty.KindInvalid {
				t.Fatalf("Validate: %v, want KindInvalid", err)
			}
			if diff := cmp.Diff([]loyalty.Field{test.want}, refusal.Fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHeldOut(t *testing.T) {
	const members = 20_000
	for _, percent := range []int{0, 1, 10, 50} {
		held, inBoth := 0, 0
		for i := range members {
			member := loyalty.MemberID(fmt.Sprintf("M%05d", i))
			a := campaign.HeldOut("a", member, percent)
			if a != campaign.HeldOut("a", member, percent) {
				t.Fatal("a member is held out now and then")
			}
			if a && !campaign.HeldOut("a", member, 50) {
				t.Fatal("a larger holdout leaves in whom a smaller one left out")
			}
			if a {
				held++
				if campaign.HeldOut("b", member, percent) {
					inBoth++
				}
			}
		}
		// Four standard deviations of a binomial are under 283 at 50 %.
		if want := members * percent / 100; held < want-283 || held > want+283 {
			t.Errorf("%d%%: %d of %d held out", percent, held, members)
		}
		if want := held * percent / 100; inBoth < want-200 || inBoth > want+200 {
			t.Errorf("%d%%: %d of %d held out by another campaign too: not independent", percent, inBoth, held)
		}
	}
}

func FuzzCron(f *testing.F) {
	for _, seed := range []string{"0 9 * * *", "*/5 * * * *", "TZ=", "@every 1s", "0 9 30 2 *", "0-59/61 * * * *", "* * * * 7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := valid()
		c.Schedule.Cron = text
		now := at("2026-11-21T09:00:00+08:00")
		occurrence, due := c.Due(now, time.UTC)
		if c.Validate() != nil {
			return
		}
		if due && (occurrence.At.After(now) || occurrence.At.Before(now.Add(-campaign.CatchUp))) {
			t.Fatalf("%q is due at %v", text, occurrence.At)
		}
	})
}
