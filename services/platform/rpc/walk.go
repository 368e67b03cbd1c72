package rpc

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	typev1 "github.com/cardea-mesh/cardea/proto/gen/cardea/type/v1"
)

var permissionForm = regexp.MustCompile(`^(public|[a-z_]+\.[a-z_]+)$`)

// Walk checks every method of the files: it is unary, declares a permission and a data class, and its request has a field
// that names its home and one that names its organization. orgless are the full names of methods that are about no
// organization on purpose. The error lists everything that is missing.
func Walk(files []protoreflect.FileDescriptor, orgless ...protoreflect.FullName) error {
	var errs []error
	for _, file := range files {
		for i := range file.Services().Len() {
			all := file.Services().Get(i).Methods()
			for j := range all.Len() {
				errs = append(errs, checkMethod(all.Get(j), slices.Contains(orgless, all.Get(j).FullName())))
			}
		}
	}
	return errors.Join(errs...)
}

func checkMethod(descriptor protoreflect.MethodDescriptor, orgless bool) error {
	m := readMethod(descriptor)
	var errs []error
	missing := func(what string) { errs = append(errs, fmt.Errorf("%s: %s", descriptor.FullName(), what)) }
	if descriptor.IsStreamingClient() || descriptor.IsStreamingServer() {
		missing("streams are not served")
	}
	if !permissionForm.MatchString(m.permission) {
		missing(fmt.Sprintf("permission %q is neither public nor <thing>.<verb>", m.permission))
	}
	if m.data == typev1.DataClass_DATA_CLASS_UNSPECIFIED {
		missing("no data class")
	}
	if len(m.homes) == 0 && m.permission != public {
		missing("no field names the home")
	}
	if m.org == nil && !orgless && m.permission != public {
		missing("no field names the organization")
	}
	return errors.Join(errs...)
}
