// Command go is waitbench's peer in Go: net/http and pgx, a goroutine per connection.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const drainTimeout = 20 * time.Second

// server is the handler of all requests. What it counts is for /stats.
type server struct {
	db       *database
	defaults parameters
	started  time.Time

	requests, replies4xx, replies5xx     atomic.Int64
	connectionsOpen, connectionsAccepted atomic.Int64
	queries, queryNs                     atomic.Int64
	unasked                              sync.Map // connections that have sent no request yet
}

// setting reads a whole number from the environment; 0 stands for the fallback where low is 1.
func setting(name string, low, high, fallback int64) int64 {
	text, ok := os.LookupEnv(name)
	if !ok {
		return fallback
	}
	number, err := strconv.ParseUint(text, 10, 63)
	if err != nil || int64(number) < low || int64(number) > high {
		refuse("%s=%s: must be a whole number from %d to %d", name, text, low, high)
	}
	return int64(number)
}

func refuse(format string, values ...any) {
	log.Printf(format, values...)
	os.Exit(2)
}

func databaseURL() string {
	text := os.Getenv("DATABASE_URL")
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "postgresql" && parsed.Scheme != "postgres" {
		refuse("DATABASE_URL: must be postgresql://user:password@host:port/database") // it may hold a password
	}
	return text
}

func defaultParameters() parameters {
	p := parameters{n: setting("N", 0, 1000, 1), m: setting("M", 0, 16777216, 1024), w: setting("W", 0, 1000, 0),
		d: setting("D", 0, 10000, 0), t: setting("T", 0, 60000, 0)}
	if p.m > 0 && p.m < 64 {
		refuse("M=%d: must be 0, or at least 64 bytes", p.m)
	}
	if p.w > p.n {
		refuse("W=%d: must not be more than N=%d", p.w, p.n)
	}
	return p
}

// watch counts connections. It runs twice for each request, so a request costs it one look into a map without locks.
func (s *server) watch(connection net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.connectionsAccepted.Add(1)
		s.connectionsOpen.Add(1)
		s.unasked.Store(connection, nil)
	case http.StateActive:
		s.unasked.Delete(connection)
	case http.StateClosed:
		s.unasked.Delete(connection)
		s.connectionsOpen.Add(-1)
	}
}

// drain answers what is under way and closes the rest. Shutdown alone would give a connection that has sent nothing
// yet five seconds.
func (s *server) drain(web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	time.AfterFunc(time.Second, func() {
		s.unasked.Range(func(connection, _ any) bool {
			connection.(net.Conn).Close()
			return true
		})
	})
	return web.Shutdown(ctx)
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("waitbench go: ")
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()

	host, ok := os.LookupEnv("HOST")
	if !ok {
		host = "127.0.0.1"
	}
	address := net.JoinHostPort(host, strconv.FormatInt(setting("PORT", 1, 65535, 8080), 10))
	if setting("DB_PIPELINE", 0, 1, 0) == 1 {
		refuse("DB_PIPELINE=1: pgx gives each request a database connection of its own; use DB_PIPELINE=0")
	}
	if workers := setting("WORKERS", 0, 1024, 0); workers > 0 {
		runtime.GOMAXPROCS(int(workers))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	size := setting("DB_POOL", 0, 10000, 16)
	if size == 0 {
		size = 16
	}
	timeout := time.Duration(setting("POOL_TIMEOUT", 1, 86400, 10)) * time.Second
	s := &server{started: time.Now(), defaults: defaultParameters()}

	var err error
	if s.db, err = openDatabase(stop, databaseURL(), int32(size), timeout); err != nil {
		log.Fatalf("cannot connect to the database: %s", oneLine(err))
	}
	// Go's backlog is net.core.somaxconn; it has raised the soft limit of open files to the hard one.
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatalf("cannot listen on %s: %s", address, oneLine(err))
	}
	web := &http.Server{Handler: s, ConnState: s.watch, ReadHeaderTimeout: 75 * time.Second,
		IdleTimeout: 75 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Fatalf("cannot serve: %s", oneLine(err))
		}
	}()
	log.Printf("listening on http://%s", address)

	<-stop.Done()
	if err := s.drain(web); err != nil {
		log.Fatalf("requests were still under way %s after SIGTERM", drainTimeout)
	}
	s.db.pool.Close()
}
