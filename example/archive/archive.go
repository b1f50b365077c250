package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite", without C

	"github.com/fiberflow/flow"
)

// schema keeps operations as they are in the logs of rooms; what was there once, and is not any more; and
// what never came.
const schema = `
CREATE TABLE IF NOT EXISTS operations (
	room TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, session TEXT NOT NULL, n INTEGER NOT NULL,
	user TEXT NOT NULL, time INTEGER NOT NULL, data BLOB NOT NULL,
	PRIMARY KEY (room, seq)
);
CREATE TABLE IF NOT EXISTS replaced (
	room TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, session TEXT NOT NULL, n INTEGER NOT NULL,
	user TEXT NOT NULL, time INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS missed (
	room TEXT NOT NULL, before INTEGER NOT NULL, count INTEGER NOT NULL,
	PRIMARY KEY (room, before)
);`

// archive is a SQLite file with all operations of all rooms.
type archive struct{ db *sql.DB }

// openArchive opens a file, or begins a new one.
func openArchive(ctx context.Context, file string) (*archive, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: path, OmitHost: true, RawQuery: url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer at a time
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), db.Close())
	}
	return &archive{db: db}, nil
}

func (a *archive) close() error { return a.db.Close() }

// write is the consumer's Handle: it writes a whole stretch or nothing, and changes nothing a second time.
func (a *archive) write(ctx context.Context, c flow.Committed) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := setAside(ctx, tx, c); err != nil {
		return err
	}
	if c.Missed > 0 {
		const note = `INSERT INTO missed (room, before, count) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
		if _, err := tx.ExecContext(ctx, note, c.Room, c.Operations[0].Seq, c.Missed); err != nil {
			return err
		}
	}
	const row = `INSERT INTO operations (room, seq, hash, session, n, user, time, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	for _, op := range c.Operations {
		_, err := tx.ExecContext(ctx, row,
			c.Room, op.Seq, op.Hash.String(), op.Session, op.N, op.User, op.Time, op.Data)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// setAside moves away what the log does not have any more: because Redis lost it, or the room began anew.
func setAside(ctx context.Context, tx *sql.Tx, c flow.Committed) error {
	from, err := divergence(ctx, tx, c)
	if err != nil || from == 0 && !c.Rewound {
		return err
	}
	if c.Rewound && (from == 0 || from > c.After.Seq+1) {
		from = c.After.Seq + 1
	}
	const keep = `INSERT INTO replaced SELECT * FROM operations WHERE room = ? AND seq >= ?`
	if _, err := tx.ExecContext(ctx, keep, c.Room, from); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM operations WHERE room = ? AND seq >= ?`, c.Room, from)
	return err
}

// divergence returns from which seq on a room's rows are of another history, as their hashes tell; 0: none.
func divergence(ctx context.Context, tx *sql.Tx, c flow.Committed) (from uint64, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT seq, hash FROM operations WHERE room = ? AND seq BETWEEN ? AND ?
		ORDER BY seq`, c.Room, c.After.Seq, c.After.Seq+uint64(len(c.Operations)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var seq uint64
		var hash string
		if err := rows.Scan(&seq, &hash); err != nil {
			return 0, err
		}
		switch {
		case seq == c.After.Seq && hash != c.After.Hash.String():
			return 1, nil // so is what comes before
		case seq > c.After.Seq && hash != c.Operations[seq-c.After.Seq-1].Hash.String():
			return seq, nil
		}
	}
	return 0, rows.Err()
}
