package dynamo

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// failure turns what the client says, after its own retries, into one of the
// errors of package table. An error that is none of them is a bug or a wrong
// setup, and stays in the log.
func failure(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return table.Timeout(err)
	}
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return code(answer.ErrorCode(), answer.ErrorMessage(), err)
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return table.Timeout(err)
	}
	if broken, ok := errors.AsType[net.Error](err); ok && broken.Timeout() {
		return table.Timeout(err)
	}
	return unexpected(err)
}

// cancellation is why a transaction was cancelled, when no condition was.
// A failure for good comes before one that may pass.
func cancellation(cancelled *types.TransactionCanceledException) error {
	var worst error
	for _, reason := range cancelled.CancellationReasons {
		why := aws.ToString(reason.Code)
		if why == "" || why == "None" {
			continue
		}
		found := code(why, aws.ToString(reason.Message), cancelled)
		if worst == nil || loyalty.KindOf(found) == loyalty.KindInvalid {
			worst = found
		}
	}
	if worst == nil {
		return unexpected(cancelled)
	}
	return worst
}

// code knows the codes of errors and, in its second half, those of reasons
// why a transaction was cancelled.
func code(name, message string, cause error) error {
	switch name {
	case "TransactionConflictException", "TransactionInProgressException", "TransactionConflict":
		return table.Conflict(cause)
	case "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException", "ThrottledException",
		"InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException", "ReplicatedWriteConflictException",
		"ProvisionedThroughputExceeded", "ThrottlingError", "RequestLimitExceededError":
		return table.Throttled(cause)
	case "ValidationException", "ValidationError":
		switch {
		case strings.Contains(message, "exceeded the maximum allowed size"):
			return table.ItemTooLarge()
		case strings.Contains(message, "incorrect data type"):
			return table.NotANumber()
		}
		return &loyalty.Error{Kind: loyalty.KindInvalid, Code: "refused_by_table", Detail: "The table does not take this.", Cause: cause}
	}
	return unexpected(cause)
}

func unexpected(cause error) error {
	return &loyalty.Error{Kind: loyalty.KindInternal, Code: "table_failed", Cause: cause}
}

func isConflict(err error) bool {
	refusal, ok := errors.AsType[*loyalty.Error](err)
	return ok && refusal.Code == "conflict"
}
