package cards

import "github.com/huitou/huitou/shared/loyalty"

// Rules is the program's section on package cards.
type Rules struct {
	Throttle Throttle `json:"throttle" doc:"how many typed codes may be wrong before none is read for a while (防刷)"`
	Holds    *Holds   `json:"holds,omitempty" doc:"which runs of redemptions wait for an operator (可疑兑换); absent: the defaults"`
}

// Throttle bounds guesses at codes (防刷). A guess is a typed code that could be
// right, its check letter is, and is not: its tag of 40 bits can be tried. The
// tag in a QR has 130 bits, and is neither counted nor refused.
type Throttle struct {
	// PerMember bounds whoever has a member token, in an hour of UTC.
	PerMember int `json:"guesses_per_member_hour" minimum:"1" maximum:"1000" doc:"wrong typed codes of one member in an hour"`
	// PerAddress bounds everybody else behind one address, in a minute. It is the
	// looser one, for carriers put many customers behind one address.
	PerAddress int `json:"guesses_per_address_minute" minimum:"1" maximum:"10000" doc:"wrong typed codes of one network address in a minute"`
	// Global bounds all callers together, in a minute; 0 is the default. Beyond it
	// a typed code is read for whoever answers a challenge. An honest brand's
	// customers are wrong some times a day.
	Global int `json:"guesses_global_minute,omitzero" minimum:"8" maximum:"1000000" doc:"wrong typed codes of everybody in a minute, before a typed code needs an answer to a challenge"`
}

// Bounds of a Throttle, and what a program without one has.
const (
	maxPerMember  = 1_000
	maxPerAddress = 10_000
	minGlobal     = 8 // it is counted in as many places
	maxGlobal     = 1_000_000
)

var defaultThrottle = Throttle{PerMember: 10, PerAddress: 60, Global: 600}

// Guesses is the throttle in force; the default one for no rules at all.
func (r *Rules) Guesses() Throttle {
	if r == nil {
		return defaultThrottle
	}
	bounds := r.Throttle
	if bounds.Global == 0 {
		bounds.Global = defaultThrottle.Global
	}
	return bounds
}

// Validate refuses rules out of bounds: KindInvalid, at the pointer.
func (r *Rules) Validate(pointer string) error {
	guesses := r.Guesses()
	switch {
	case guesses.PerMember < 1 || guesses.PerMember > maxPerMember:
		return loyalty.Invalid(pointer+"/throttle/guesses_per_member_hour", "out_of_range", "a member may be wrong 1 to 1000 times an hour")
	case guesses.PerAddress < 1 || guesses.PerAddress > maxPerAddress:
		return loyalty.Invalid(pointer+"/throttle/guesses_per_address_minute", "out_of_range", "an address may be wrong 1 to 10000 times a minute")
	case guesses.Global < minGlobal || guesses.Global > maxGlobal:
		return loyalty.Invalid(pointer+"/throttle/guesses_global_minute", "out_of_range", "all together may be wrong 8 to 1000000 times a minute")
	}
	return r.Suspects().validate(pointer + "/holds")
}

// Guessable tells whether raw is a typed code with the right check letter. No
// other text is worth a guess: it is wrong for sure, or has the 130 bits of a
// QR. The check letter catches nearly all slips of an honest hand before they
// count.
func Guessable(raw string) bool {
	var values [tokenChars]byte
	return normalise(raw, &values) == typedChars && checkValue(values[:typedChars-1]) == values[typedChars-1]
}
