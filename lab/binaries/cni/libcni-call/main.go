// Command libcni-call does to a network what a container runtime does, by the library that runtimes use: one request as JSON
// on standard input, one answer as JSON on standard output. It ends with 0 also when the library answers an error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
)

type request struct {
	Verb  string               `json:"verb"`
	List  json.RawMessage      `json:"list"`
	Path  []string             `json:"path"`
	Cache string               `json:"cache"`
	Call  libcni.RuntimeConf   `json:"call"`
	Valid []types.GCAttachment `json:"valid"`
}

type execution struct {
	Plugin string          `json:"plugin"`
	Verb   string          `json:"verb"`
	Conf   json.RawMessage `json:"conf"`
	Output string          `json:"output"`
	Error  *types.Error    `json:"error,omitempty"`
}

type answer struct {
	Result     types.Result        `json:"result,omitempty"`
	Versions   map[string][]string `json:"versions,omitempty"`
	Message    string              `json:"message"`
	Error      *types.Error        `json:"error,omitempty"`
	Executions []execution         `json:"executions"`
}

// recorder executes plugins as the library does by default, and keeps what each was given and said.
type recorder struct {
	*invoke.DefaultExec
	executions []execution
}

func (r *recorder) ExecPlugin(ctx context.Context, path string, conf []byte, environ []string) ([]byte, error) {
	output, err := r.DefaultExec.ExecPlugin(ctx, path, conf, environ)
	one := execution{Plugin: filepath.Base(path), Conf: conf, Output: string(output)}
	errors.As(err, &one.Error)
	for _, variable := range environ {
		// The last one counts: the library adds its own to the environment.
		if verb, found := strings.CutPrefix(variable, "CNI_COMMAND="); found {
			one.Verb = verb
		}
	}
	r.executions = append(r.executions, one)
	return output, err
}

func perform(ctx context.Context, asked request, cni *libcni.CNIConfig, said *answer) error {
	list, err := libcni.NetworkConfFromBytes(asked.List)
	if err != nil {
		return err
	}
	switch asked.Verb {
	case "ADD":
		said.Result, err = cni.AddNetworkList(ctx, list, &asked.Call)
		return err
	case "CHECK":
		return cni.CheckNetworkList(ctx, list, &asked.Call)
	case "DEL":
		return cni.DelNetworkList(ctx, list, &asked.Call)
	case "STATUS":
		return cni.GetStatusNetworkList(ctx, list)
	case "GC":
		// None stays nil, which is null in JSON: so it is in a runtime that appends those that it has.
		var valid []types.GCAttachment
		valid = append(valid, asked.Valid...)
		return cni.GCNetworkList(ctx, list, &libcni.GCArgs{ValidAttachments: valid})
	case "VERSION":
		said.Versions = map[string][]string{}
		for _, plugin := range list.Plugins {
			info, err := cni.GetVersionInfo(ctx, plugin.Network.Type)
			if err != nil {
				return err
			}
			said.Versions[plugin.Network.Type] = info.SupportedVersions()
		}
		_, err := cni.ValidateNetworkList(ctx, list)
		return err
	}
	return fmt.Errorf("%q is not a verb", asked.Verb)
}

func main() {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, "Cannot read the request:", err)
		os.Exit(1)
	}
	record := &recorder{DefaultExec: &invoke.DefaultExec{RawExec: &invoke.RawExec{Stderr: os.Stderr}}}
	said := answer{}
	cni := libcni.NewCNIConfigWithCacheDir(asked.Path, asked.Cache, record)
	if err := perform(context.Background(), asked, cni, &said); err != nil {
		said.Message = err.Error()
		errors.As(err, &said.Error)
	}
	said.Executions = record.executions
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		fmt.Fprintln(os.Stderr, "Cannot print the answer:", err)
		os.Exit(1)
	}
}
