// Command strict-decode reads custom resources as JSON, one a line, into the types of the operators that own them, and
// fails on a field that those do not know.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var head struct{ Kind string }
		fail("", json.Unmarshal(lines.Bytes(), &head))
		var object any
		switch head.Kind {
		case "Certificate":
			object = &certmanager.Certificate{}
		case "ServiceMonitor":
			object = &monitoring.ServiceMonitor{}
		case "PrometheusRule":
			object = &monitoring.PrometheusRule{}
		default:
			fail(head.Kind, fmt.Errorf("no types are known"))
		}
		fail(head.Kind, yaml.UnmarshalStrict(lines.Bytes(), object))
		fmt.Println(head.Kind)
	}
	fail("", lines.Err())
}

func fail(kind string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, kind, err)
		os.Exit(1)
	}
}
