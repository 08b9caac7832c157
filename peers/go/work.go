package main

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v4"
)

const goldenGamma = 0x9E3779B97F4A7C15

// parameters of GET /work: queries, bytes, updates, milliseconds of the database, milliseconds before the queries.
type parameters struct {
	n, m, w, d, t int64
	seed          uint64
}

var (
	errParameter = errors.New("bad parameter")
	buffers      = sync.Pool{New: func() any { return new([]byte) }}
	padding      = strings.Repeat("x", 64<<10)
	jsonType     = []string{"application/json"}
	seeds        atomic.Uint64
)

func init() {
	seeds.Store(uint64(time.Now().UnixNano()))
}

func min(a, b int) int { // built in from Go 1.21 on
	if a < b {
		return a
	}
	return b
}

// mix is SplitMix64's finalizer.
func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

func rowID(seed uint64, i int64) int32 {
	return int32(1 + mix(seed+uint64(i+1)*goldenGamma)%100000)
}

func parseWork(query string, p parameters) (parameters, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return p, err
	}
	hasW, hasSeed := false, false
	for name, texts := range values {
		if len(texts) != 1 {
			return p, errParameter
		}
		number, err := strconv.ParseUint(texts[0], 10, 63)
		if err != nil {
			return p, err
		}
		value, high := int64(number), int64(0)
		switch name {
		case "n":
			p.n, high = value, 1000
		case "m":
			p.m, high = value, 16777216
		case "w":
			p.w, high, hasW = value, 1000, true
		case "d":
			p.d, high = value, 10000
		case "t":
			p.t, high = value, 60000
		case "seed":
			p.seed, high, hasSeed = number, value, true
		default:
			return p, errParameter
		}
		if value > high {
			return p, errParameter
		}
	}
	if !hasW && p.w > p.n {
		p.w = p.n // the default of w belongs to the default of n
	}
	if p.w > p.n || p.m > 0 && p.m < 64 {
		return p, errParameter
	}
	if !hasSeed {
		p.seed = mix(seeds.Add(1)) >> 1
	}
	return p, nil
}

// runQueries returns the sum of the values of p.n rows.
func (s *server) runQueries(connection *pgx.Conn, p parameters) (sum int64, err error) {
	began, done := time.Now(), int64(0)
	for done < p.n && err == nil {
		name, arguments := "work_read", []any{rowID(p.seed, done)}
		if done >= p.n-p.w {
			name = "work_write"
		}
		if p.d > 0 {
			name, arguments = name+"_delayed", append(arguments, float64(p.d)/1000)
		}
		var value int64
		if err = connection.QueryRow(background, name, arguments...).Scan(&value); err == nil {
			done++
			sum += value
		}
	}
	s.queries.Add(done)
	s.queryNs.Add(int64(time.Since(began)))
	return sum, err
}

func (s *server) work(w http.ResponseWriter, r *http.Request) {
	p, err := parseWork(r.URL.RawQuery, s.defaults)
	if err != nil {
		s.fail(w, http.StatusBadRequest)
		return
	}
	if p.t > 0 {
		time.Sleep(time.Duration(p.t) * time.Millisecond)
	}
	var sum int64
	if p.n > 0 {
		err = s.db.use(func(connection *pgx.Conn) error {
			sum, err = s.runQueries(connection, p)
			return err
		})
	}
	if err != nil {
		s.fail(w, http.StatusServiceUnavailable)
		return
	}
	buffer := buffers.Get().(*[]byte)
	body := append((*buffer)[:0], `{"n":`...)
	body = strconv.AppendInt(body, p.n, 10)
	body = append(body, `,"sum":`...)
	body = strconv.AppendInt(body, sum, 10)
	body = append(body, `,"pad":"`...)
	for missing := int(p.m) - len(body) - 2; missing > 0; missing -= len(padding) {
		body = append(body, padding[:min(missing, len(padding))]...)
	}
	body = append(body, `"}`...)
	s.reply(w, http.StatusOK, body)
	*buffer = body
	buffers.Put(buffer)
}

// reply counts first: a client may have the response before Write returns, and then ask for /stats.
func (s *server) reply(w http.ResponseWriter, status int, body []byte) {
	s.requests.Add(1)
	if status >= 500 {
		s.replies5xx.Add(1)
	} else if status >= 400 {
		s.replies4xx.Add(1)
	}
	header := w.Header()
	header["Content-Type"] = jsonType
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

func (s *server) fail(w http.ResponseWriter, status int) {
	s.reply(w, status, []byte(`{"title":"`+http.StatusText(status)+`","status":`+strconv.Itoa(status)+`}`))
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/work":
		s.work(w, r)
	case "/healthz":
		s.reply(w, http.StatusOK, []byte(`{"status":"ok"}`))
	case "/readyz":
		if s.db.ping() != nil {
			s.fail(w, http.StatusServiceUnavailable)
			return
		}
		s.reply(w, http.StatusOK, []byte(`{"status":"ready"}`))
	case "/stats":
		s.reply(w, http.StatusOK, s.stats())
	default:
		s.fail(w, http.StatusNotFound)
	}
}
