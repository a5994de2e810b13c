// Package conformance runs the suite of shared/table/tabletest through the
// dynamo engine against DynamoDB engines of other people's, and through our
// own. It needs the network once, to fetch them, and stands behind a build tag:
//
//	go test -tags conformance -count=1 -timeout 60m -v ./infra/conformance
package conformance
