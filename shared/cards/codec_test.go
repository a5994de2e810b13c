package cards

import "testing"

// The tag alone, without normalising and finding the serial.
func BenchmarkTag(b *testing.B) {
	ring, err := NewKeyring(RootKey{ID: '1'})
	if err != nil {
		b.Fatal(err)
	}
	codec := ring.Codec()
	code := Code{KeyID: '1', Batch: 3, Card: 41}
	codec.tag(0, code)
	got := codec.want
	b.ReportAllocs()
	for b.Loop() {
		if !codec.verify(0, code, got[:]) {
			b.Fatal("refused")
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	ring, err := NewKeyring(RootKey{ID: '1'})
	if err != nil {
		t.Fatal(err)
	}
	codec := ring.Codec()
	token, err := codec.Token(Code{KeyID: '1', Batch: 3, Card: 41})
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(1000, func() {
		if _, err := codec.Parse(token); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations a code", got)
	}
}

func TestPermutationIsABijectionOfEverySize(t *testing.T) {
	for size := uint64(1); size <= 700; size++ {
		p := newPermutation(make([]byte, 16), size)
		hit := make([]bool, size)
		for x := range size {
			y := p.forward(x)
			if y >= size || hit[y] {
				t.Fatalf("size %d: %d lands on %d again or outside", size, x, y)
			}
			hit[y] = true
			if back := p.backward(y); back != x {
				t.Fatalf("size %d: %d comes back as %d", size, x, back)
			}
		}
	}
}
