{{/* The name of the objects: the release's, with the chart's unless it is part of it. With a revision's hash it must fit into a label. */}}
{{- define "github-enterprise-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* What selects the pods, and never changes. */}}
{{- define "github-enterprise-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "github-enterprise-exporter.labels" -}}
{{ include "github-enterprise-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object that has the release's name. */}}
{{- define "github-enterprise-exporter.metadata" -}}
name: {{ include "github-enterprise-exporter.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "github-enterprise-exporter.labels" . | nindent 2 }}
{{- end }}

{{- define "github-enterprise-exporter.serviceAccountName" -}}
{{- $own := ternary (include "github-enterprise-exporter.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end }}

{{- define "github-enterprise-exporter.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}

{{- define "github-enterprise-exporter.webConfigFlag" -}}
--web.config.file=/run/secrets/github-enterprise-exporter-web/{{ .Values.webConfig.file }}
{{- end }}
