package table

import "github.com/huitou/huitou/shared/loyalty"

// The errors of this file are the closed set that engines return beside
// *ConditionError, so that a caller, a log and a test meet one wording.

// Throttled says that the table refused work for lack of capacity: nothing is
// known about the call, the same one may succeed later.
func Throttled(cause error) error {
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "throttled", Detail: "The table is busy; try again later.", Cause: cause}
}

// Conflict says that another write touched the same items at the same moment,
// and did so again on every retry.
func Conflict(cause error) error {
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "conflict", Detail: "Another write was faster; try again.", Cause: cause}
}

// Timeout says that the answer did not come in time. A write that timed out
// may have happened.
func Timeout(cause error) error {
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "timeout", Detail: "The table did not answer in time; try again.", Cause: cause}
}

// ItemTooLarge refuses an update whose result would be over 400 KB, which only
// the engine that holds the item can tell.
func ItemTooLarge() error {
	return invalid("item_too_large", "the item is over 400 KB")
}

// NotANumber refuses to add to an attribute that holds a string.
func NotANumber() error {
	return invalid("not_a_number", "only a number can be added to")
}

func invalid(code, detail string) error {
	return loyalty.Refuse(loyalty.KindInvalid, code, detail)
}
