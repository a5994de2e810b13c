package table

import "context"

// Usage counts what DynamoDB would bill and how often it was called.
type Usage struct {
	ReadUnits  float64 // multiples of 0.5
	WriteUnits float64 // table and indexes
	RoundTrips int
}

type usageKey struct{}

// WithUsage returns a context under which every engine adds what each call
// cost to usage. It is not safe for concurrent calls: one handler, one Usage.
func WithUsage(ctx context.Context, usage *Usage) context.Context {
	return context.WithValue(ctx, usageKey{}, usage)
}

// Spend is called by engines, once a round trip, with what it cost.
func Spend(ctx context.Context, readUnits, writeUnits float64) {
	if usage, ok := ctx.Value(usageKey{}).(*Usage); ok {
		usage.ReadUnits += readUnits
		usage.WriteUnits += writeUnits
		usage.RoundTrips++
	}
}
