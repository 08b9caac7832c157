package main

import (
	"context"
	"errors"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

// The statements of common/handler/statements.c, by name.
var statements = map[string]string{
	"ping":               "SELECT current_setting('default_transaction_read_only')",
	"work_read":          "SELECT value FROM world WHERE id = $1",
	"work_read_delayed":  "SELECT value FROM world, pg_sleep($2) WHERE id = $1",
	"work_write":         "UPDATE world SET hits = hits + 1 WHERE id = $1 RETURNING value",
	"work_write_delayed": "UPDATE world SET hits = hits + 1 FROM pg_sleep($2) WHERE id = $1 RETURNING value",
}

// background never ends: a context that can be cancelled costs pgx a goroutine per query, and closes the database
// connection in the middle of a query when the client goes away. PostgreSQL's statement_timeout ends a query.
var background = context.Background()

var errPoolTimeout = errors.New("no database connection within POOL_TIMEOUT")

// database is a pool with a queue in front of it: the request that waits for a connection longest is next. In the pool
// itself newcomers overtake, and each wait that may time out starts a goroutine.
type database struct {
	pool    *pgxpool.Pool
	turns   chan struct{} // as many as connections
	timeout time.Duration

	broken chan struct{} // a word that a connection has broken

	waits, waitNs, connects atomic.Int64
	isDown                  atomic.Bool
}

func openDatabase(ctx context.Context, url string, size int32, timeout time.Duration) (*database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	db := &database{turns: make(chan struct{}, size), broken: make(chan struct{}, 1), timeout: timeout}
	config.MaxConns = size
	config.MaxConnLifetime = 10 * 365 * 24 * time.Hour
	config.MaxConnIdleTime = config.MaxConnLifetime
	config.ConnConfig.ConnectTimeout = 30 * time.Second // when many servers start at once on a small machine
	config.ConnConfig.BuildStatementCache = nil
	session := config.ConnConfig.RuntimeParams
	session["application_name"] = "waitbench-go"
	session["statement_timeout"] = "15s" // as the servers in C have both
	session["client_connection_check_interval"] = "1s"
	config.AfterConnect = func(ctx context.Context, connection *pgx.Conn) error {
		for name, text := range statements {
			if _, err := connection.Prepare(ctx, name, text); err != nil {
				return err
			}
		}
		db.connects.Add(1)
		return nil
	}
	if db.pool, err = pgxpool.ConnectConfig(ctx, config); err != nil {
		return nil, err
	}
	for i := int32(0); i < size; i++ {
		db.turns <- struct{}{}
	}
	go db.keepFull()
	return db, db.fill()
}

func (db *database) takeFreeTurn() bool {
	select {
	case <-db.turns:
		return true
	default:
		return false
	}
}

// wait returns when it is the caller's turn.
func (db *database) wait() error {
	if db.takeFreeTurn() {
		return nil
	}
	began, timer := time.Now(), time.NewTimer(db.timeout)
	defer timer.Stop()
	defer func() { db.waitNs.Add(int64(time.Since(began))) }()
	db.waits.Add(1)
	select {
	case <-db.turns:
		return nil
	case <-timer.C:
		return errPoolTimeout
	}
}

// use calls f with a connection, which nobody else has meanwhile.
func (db *database) use(f func(*pgx.Conn) error) error {
	err := db.wait()
	if err != nil {
		return err
	}
	defer func() { db.turns <- struct{}{} }()
	connection, err := db.pool.Acquire(background)
	if err != nil {
		db.report(err)
		return err
	}
	err = f(connection.Conn())
	if connection.Conn().IsClosed() {
		select {
		case db.broken <- struct{}{}:
		default:
		}
	}
	connection.Release() // the pool destroys a broken one
	db.report(err)
	return err
}

// sweep closes the idle connections that are broken. pgx does not look at them and would give each to a request.
func (db *database) sweep() {
	ctx, cancel := context.WithTimeout(background, 5*time.Second)
	defer cancel()
	for _, connection := range db.pool.AcquireAllIdle(ctx) {
		connection.Ping(ctx)
		connection.Release()
	}
}

// fill makes the connections that are missing. The pool's own MinConns can exceed MaxConns when requests make
// connections at the same time (puddle 1.x); with a turn for each there is never one too many.
func (db *database) fill() error {
	var all sync.WaitGroup // nobody gives a connection back before all have one: else another would take that one
	failures := make(chan error, cap(db.turns))
	free := 0
	for db.takeFreeTurn() {
		free++
	}
	all.Add(free)
	for i := 0; i < free; i++ {
		go func() {
			connection, err := db.pool.Acquire(background)
			all.Done()
			all.Wait()
			if err == nil {
				connection.Release()
			}
			db.turns <- struct{}{}
			failures <- err
		}()
	}
	var failure error
	for i := 0; i < free; i++ {
		if err := <-failures; err != nil {
			failure = err
		}
	}
	return failure
}

func (db *database) keepFull() {
	second := time.NewTicker(time.Second)
	for {
		select {
		case <-db.broken:
			db.sweep()
		case <-second.C:
			if int(db.pool.Stat().TotalConns()) < cap(db.turns) {
				db.fill()
			}
		}
	}
}

// lost is the number of connections made and not there any more.
func (db *database) lost() int64 {
	now := db.pool.Stat()
	return db.connects.Load() - int64(now.IdleConns()+now.AcquiredConns())
}

// report logs the first of the errors that follow each other.
func (db *database) report(err error) {
	if err != nil && !db.isDown.Swap(true) {
		log.Printf("the database: %s", oneLine(err))
	} else if err == nil && db.isDown.Load() && db.isDown.Swap(false) {
		log.Print("the database is back")
	}
}

func (db *database) ping() error {
	return db.use(func(connection *pgx.Conn) error {
		var answer string
		return connection.QueryRow(background, "ping").Scan(&answer)
	})
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
