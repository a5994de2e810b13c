package cards

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// permutation is a keyed bijection on [0, size): format-preserving encryption
// as in NIST SP 800-38G, a ten-round Feistel network over AES, brought down to
// a size that is no power of two by walking the cycle until it is inside.
//
// It keeps its block buffer, so it allocates nothing and serves one goroutine.
type permutation struct {
	block       cipher.Block
	size        uint64
	left, right int // bits of the two halves
	buffer      [aes.BlockSize]byte
}

const (
	feistelRounds = 10 // as FF1
	// A network over two or four values has too few states to hide anything;
	// small sizes walk inside a domain of 256.
	minDomainBits = 8
)

// newPermutation takes a key of 16 bytes and a size of 1 to 2⁶².
func newPermutation(key []byte, size uint64) *permutation {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("cards: key of %d bytes", len(key))) // a constant of this package
	}
	width := max(bits.Len64(size-1), minDomainBits)
	return &permutation{block: block, size: size, left: width / 2, right: width - width/2}
}

// forward is where x < size lands; backward is its inverse.
func (p *permutation) forward(x uint64) uint64 {
	for {
		if x = p.encrypt(x); x < p.size {
			return x
		}
	}
}

func (p *permutation) backward(x uint64) uint64 {
	for {
		if x = p.decrypt(x); x < p.size {
			return x
		}
	}
}

// The halves swap roles every round, so an odd width alternates between the
// two masks and ten rounds bring each half back to its own place.

func (p *permutation) encrypt(x uint64) uint64 {
	a, b := x>>p.right, x&mask(p.right)
	for round := range feistelRounds {
		a, b = b, (a+p.feistel(round, b))&mask(p.half(round))
	}
	return a<<p.right | b
}

func (p *permutation) decrypt(x uint64) uint64 {
	a, b := x>>p.right, x&mask(p.right)
	for i := range feistelRounds {
		round := feistelRounds - 1 - i
		a, b = (b-p.feistel(round, a))&mask(p.half(round)), a
	}
	return a<<p.right | b
}

func (p *permutation) half(round int) int {
	if round%2 == 0 {
		return p.left
	}
	return p.right
}

// feistel is the round function. The size is part of its input, so that two
// sizes under one key are unrelated permutations.
func (p *permutation) feistel(round int, half uint64) uint64 {
	binary.BigEndian.PutUint64(p.buffer[:8], p.size<<4|uint64(round)) // #nosec G115 -- 0 to 9
	binary.BigEndian.PutUint64(p.buffer[8:], half)
	p.block.Encrypt(p.buffer[:], p.buffer[:])
	return binary.BigEndian.Uint64(p.buffer[:8])
}

func mask(width int) uint64 { return 1<<width - 1 }
