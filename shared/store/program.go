package store

import (
	"context"

	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/table"
)

// Programs reads every version of the brand's rules, oldest first. There are
// few: an operator writes each by hand.
func (s Store) Programs(ctx context.Context) ([]program.Program, error) {
	var versions []program.Program
	query := table.Query{PK: table.ProgramPK, Limit: 1000, Consistency: table.Strong}
	for {
		page, next, err := documents[program.Program](ctx, s.Table, query)
		if err != nil {
			return nil, err
		}
		versions = append(versions, page...)
		if next == "" {
			return versions, nil
		}
		query.Cursor = next
	}
}

// PutProgram adds a version; its condition fails when the number is taken.
func PutProgram(version program.Program) table.Action {
	return table.Put(documentItem(table.ProgramKey(version.Version), version), table.Absent())
}
