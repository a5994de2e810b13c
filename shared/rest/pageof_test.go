package rest_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/rest"
)

func TestThePagesOfAShortListAreTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int(), 0, 30).Draw(t, "all")
		limit := rapid.IntRange(1, 10).Draw(t, "limit")
		var read []int
		cursor := ""
		for {
			page, err := rest.PageOf(all, rest.Paging{Cursor: cursor, Limit: limit})
			if err != nil || page.Items == nil || len(page.Items) > limit {
				t.Fatalf("%d items, error %v", len(page.Items), err)
			}
			read = append(read, page.Items...)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if !slices.Equal(read, all) {
			t.Fatalf("read %v of %v", read, all)
		}
	})
}

func TestACursorOfAnotherListIsRefused(t *testing.T) {
	for _, cursor := range []string{"x", "0", "-1", "01", "+1", "1.0"} {
		if _, err := rest.PageOf([]int{1, 2}, rest.Paging{Cursor: cursor, Limit: 1}); loyalty.KindOf(err) != loyalty.KindInvalid {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}
