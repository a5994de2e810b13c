package refused_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/refused"
)

func TestAPhoneIsHiddenAndALongerNumberIsNot(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"13800000000":                      "(phone)",
		"call 13800000000 or 13900000001!": "call (phone) or (phone)!",
		"13800000000 13900000001":          "(phone) (phone)",
		"138-0000-0000":                    "(phone)",
		"138 0000 0000 139 0000 0001":      "(phone) (phone)",
		"１３８００００００００":                      "(phone)",
		"+86 138 0000 0000":                "(phone)",
		"008613800000000":                  "(phone)",
		"8613800000000":                    "(phone)",
		"+852 1234 5678":                   "(phone)",
		"13800000000-1234":                 "(phone)-1234",
		"13800000000转1234":                 "(phone)转1234",
		`{"phone":"13800000000","tid":"E20180918101734022600020"}`: `{"phone":"(phone)","tid":"E20180918101734022600020"}`,
		"2156000000000000001": "2156000000000000001",
		"138000000001":        "138000000001",
		"2026-11-21 10:00:00": "2026-11-21 10:00:00",
		"1+1 = 2 ＋ 3":         "1+1 = 2 ＋ 3",
		"+":                   "+",
		"\xff13800000000":     "\xff(phone)",
	} {
		if got := refused.Veil(text); got != want {
			t.Errorf("Veil(%q) = %q, want %q", text, got, want)
		}
	}
}

// Wherever a phone stands, it does not come out, and what holds no digit comes
// out as it went in.
func TestNoTextLetsAPhoneOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		phone := rapid.StringMatching(`1[3-9][0-9]{9}`).Draw(t, "phone")
		before := rapid.StringMatching(`([^0-9０-９+＋]|\PN)*`).Draw(t, "before")
		after := rapid.StringMatching(`([^0-9０-９]|\PN)*`).Draw(t, "after")
		if got := refused.Veil(before + phone + after); strings.Contains(got, phone) {
			t.Fatalf("%q came out", got)
		}
		if text := before + after; !strings.ContainsAny(text, "0123456789０１２３４５６７８９") && refused.Veil(text) != text {
			t.Fatalf("%q became %q", text, refused.Veil(text))
		}
	})
}

func input() refused.Input {
	return refused.Input{
		Source: "tmall", Reason: refused.Currency, Faults: []loyalty.Field{{Pointer: "/currency", Code: "foreign"}},
		Order: loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1001"}, Form: refused.Order, Content: `{"type":"order.paid"}`,
		Names: []loyalty.Identity{{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: "b-1"}},
	}
}

func TestAnInputComesThroughTheQueueAsItWas(t *testing.T) {
	got, ok := refused.Read(input().Encode())
	if !ok {
		t.Fatal("it is not read")
	}
	if diff := cmp.Diff(input(), got); diff != "" {
		t.Error(diff)
	}
	if id, ok := refused.ReadRetry(refused.Retry(input().ID())); !ok || id != input().ID() {
		t.Errorf("retry of %q, %v", id, ok)
	}
}

func TestTheSameContentOfASourceIsTheSameInput(t *testing.T) {
	first := input()
	second := first
	second.Reason, second.Faults, second.Names = refused.Unreadable, nil, nil
	if first.ID() != second.ID() {
		t.Error("why it was refused makes it another")
	}
	ids := map[string]bool{}
	for _, other := range []refused.Input{
		{Source: "a", Form: "bc", Content: "d"}, {Source: "ab", Form: "c", Content: "d"}, {Source: "a", Form: "b", Content: "cd"}, {Source: "abc", Content: "d"},
	} {
		ids[other.ID()] = true
		if !refused.IsID(other.ID()) {
			t.Errorf("%q is no id", other.ID())
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d ids of 4 inputs", len(ids))
	}
}

func TestAnInputIsHeldToItsBounds(t *testing.T) {
	long := input()
	long.Content = strings.Repeat("回", refused.MaxContent)
	for range 20 {
		long.Faults = append(long.Faults, loyalty.Field{Pointer: "/" + strings.Repeat("头", 200), Code: "x"})
		long.Names = append(long.Names, long.Names[0])
	}
	got, ok := refused.Read(long.Encode())
	if !ok || len(got.Content) > refused.MaxContent || !got.Cut || len(got.Faults) != refused.MaxFaults || len(got.Names) != refused.MaxNames {
		t.Errorf("%d bytes, cut %v, %d faults, %d names", len(got.Content), got.Cut, len(got.Faults), len(got.Names))
	}
	for _, fault := range got.Faults {
		if len(fault.Pointer) > 128 || !utf8.ValidString(fault.Pointer) {
			t.Errorf("pointer %q", fault.Pointer)
		}
	}
	if !utf8.ValidString(got.Content) {
		t.Error("cut within a character")
	}
}

func TestOtherMessagesAreNotTakenForInputs(t *testing.T) {
	for _, body := range []string{
		"", "{}", `{"type":"order.paid"}`, `{"type":"input.refused"}`, `{"type":"input.refused","input":{"source":"tmall"}}`,
		`{"type":"input.refused","input":{"source":"tmall","reason":"because","form":"order"}}`, `{"type":"refused.retry","id":"x"}`, `{"type":"refused.retry"`,
		`{"type":"order.paid","order_id":"input.refused refused.retry"}`,
	} {
		if got, ok := refused.Read([]byte(body)); ok {
			t.Errorf("%s is read as %+v", body, got)
		}
		if got, ok := refused.ReadRetry([]byte(body)); ok {
			t.Errorf("%s is read as a retry of %q", body, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(input().Encode())
	f.Add([]byte(`{"type":"input.refused","input":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := refused.Read(body)
		if !ok {
			return
		}
		if len(got.Content) > refused.MaxContent || len(got.Faults) > refused.MaxFaults || len(got.Names) > refused.MaxNames || !utf8.ValidString(got.Content) {
			t.Fatalf("beyond the bounds: %+v", got)
		}
		again, ok := refused.Read(got.Encode())
		if !ok || again.ID() != got.ID() {
			a, _ := json.Marshal(got)
			t.Fatalf("%s is another when it comes again", a)
		}
	})
}
