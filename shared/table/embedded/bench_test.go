package embedded_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// BenchmarkGet is one strong read among 100,000 items. What a write costs, and
// what is the least that it could, `make bench` measures.
func BenchmarkGet(b *testing.B) {
	engine := embedded.Memory()
	ctx := context.Background()
	key := func(i int) table.Key { return table.Key{PK: fmt.Sprint("M#", i%10_000), SK: fmt.Sprint("E#", i)} }
	for i := range 100_000 {
		if err := engine.Write(ctx, table.Put(table.Item{Key: key(i), Attributes: map[string]table.Value{"document": table.String(document)}})); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if items, err := engine.Get(ctx, table.Strong, key(i%100_000)); err != nil || items[0] == nil {
			b.Fatal(items, err)
		}
	}
}

const document = `{"order":"2156000000000000001","lines":[{"line":"1","sku":"MILK-400","quantity":2,"paid":39800}],"points":398}`
