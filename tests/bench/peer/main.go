// The Go side of the benchmark: client_golang's GaugeVec, and a handler over bytes that lie ready.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o peer main.go
//	peer gaugevec SERIES           the series of series.py in vectors
//	peer toolkit SERIES WEB        the same vectors behind exporter-toolkit with a web configuration, as node_exporter does it
//	peer static IDENTITY GZIP      two files as they are, whichever of them the scrape takes
//
// It says "port N" when it serves. For each line "set N" it gives every series its value of round N and says "done
// SECONDS"; "refresh" does so again and again, 50 ms apart, until "rest".
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
)

const (
	subjectsOfAnOrganization = 2000
	routesOfAnActor          = 200
	since                    = 1795262400
	mostRequests             = 40 // node_exporter's default, and ours
)

var methods = [...]string{"GET", "POST", "PATCH", "PUT", "DELETE"}

type vectors struct {
	series, organizations        int
	requests, refused, newest    *prometheus.GaugeVec
	routeRequests, routesRefused *prometheus.GaugeVec
}

func newVectors(series int) (*vectors, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	vector := func(name string, labels []string) *prometheus.GaugeVec {
		made := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "github_api_insights_" + name, Help: name}, labels)
		registry.MustRegister(made)
		return made
	}
	subject := []string{"organization", "subject_type", "subject_id", "subject_name"}
	route := []string{"organization", "actor_type", "actor_id", "http_method", "api_route"}
	organizations := (series/5 + subjectsOfAnOrganization - 1) / subjectsOfAnOrganization
	if organizations < 1 {
		organizations = 1
	}
	return &vectors{
		series: series, organizations: organizations,
		requests:      vector("subject_requests_total", subject),
		refused:       vector("subject_rate_limited_requests_total", subject),
		newest:        vector("subject_last_request_timestamp_seconds", subject),
		routeRequests: vector("route_requests_total", route),
		routesRefused: vector("route_rate_limited_requests_total", route),
	}, registry
}

func (v *vectors) set(turn int) {
	moved := 0
	if turn > 0 {
		moved = 1
	}
	for number := 0; number < v.series/5; number++ {
		id := strconv.Itoa(number)
		organization := "org-" + strconv.Itoa(number/subjectsOfAnOrganization)
		count, few := float64(moved*(100000+number*7+turn*13)), float64(moved*(number+turn))
		v.requests.WithLabelValues(organization, "user", id, "user-"+id).Set(count)
		v.refused.WithLabelValues(organization, "user", id, "user-"+id).Set(few)
		v.newest.WithLabelValues(organization, "user", id, "user-"+id).Set(float64(since + number%3600 + turn))
		actor, place := number/routesOfAnActor, number%routesOfAnActor
		organization = "org-" + strconv.Itoa(actor%v.organizations)
		route := "/repositories/:repository_id/resource-" + strconv.Itoa(place/5) + "/:resource_id"
		whose := strconv.Itoa(900000 + actor)
		v.routeRequests.WithLabelValues(organization, "installation", whose, methods[place%5], route).Set(count)
		v.routesRefused.WithLabelValues(organization, "installation", whose, methods[place%5], route).Set(few)
	}
}

func static(identity, packed []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := identity
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			body = packed
			w.Header().Set("Content-Encoding", "gzip")
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

func read(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return content
}

func main() {
	set := func(int) {}
	var handler http.Handler
	if os.Args[1] == "static" {
		handler = static(read(os.Args[2]), read(os.Args[3]))
	} else {
		series, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		made, registry := newVectors(series)
		made.set(1)
		options := promhttp.HandlerOpts{}
		if os.Args[1] == "toolkit" {
			options.MaxRequestsInFlight = mostRequests
		}
		set, handler = made.set, promhttp.HandlerFor(registry, options)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	http.Handle("/metrics", handler)
	if os.Args[1] == "toolkit" {
		flags := &web.FlagConfig{WebConfigFile: &os.Args[3]}
		go func() { panic(web.Serve(listener, &http.Server{}, flags, log.NewNopLogger())) }()
	} else {
		go func() { panic(http.Serve(listener, nil)) }()
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	obey(set)
}

func obey(set func(int)) {
	var rest, rested chan struct{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "set":
			turn, _ := strconv.Atoi(words[1])
			began := time.Now()
			set(turn)
			fmt.Println("done", time.Since(began).Seconds())
		case "refresh":
			rest, rested = make(chan struct{}), make(chan struct{})
			go refresh(set, rest, rested)
			fmt.Println("done", 0)
		case "rest":
			close(rest)
			<-rested
			fmt.Println("done", 0)
		}
	}
}

func refresh(set func(int), rest, rested chan struct{}) {
	for turn := 1000; ; turn++ {
		set(turn)
		select {
		case <-rest:
			close(rested)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
