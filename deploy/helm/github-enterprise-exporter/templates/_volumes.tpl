{{/* The volumes of the pod, without the one that a volumeClaimTemplate adds; may be empty. */}}
{{- define "github-enterprise-exporter.volumes" -}}
{{- if .Values.config }}
- name: config
  configMap: {name: {{ include "github-enterprise-exporter.fullname" . }}}
{{- end }}
{{- with .Values.existingConfigSecret }}
{{ include "github-enterprise-exporter.secretVolume" (dict "name" "config" "secrets" (list .)) }}
{{- end }}
{{- with .Values.credentials.existingSecrets }}
{{ include "github-enterprise-exporter.secretVolume" (dict "name" "credentials" "secrets" .) }}
{{- end }}
{{- with .Values.webConfig.existingSecrets }}
{{ include "github-enterprise-exporter.secretVolume" (dict "name" "web-config" "secrets" .) }}
{{- end }}
{{- with .Values.persistence }}
{{- if not .enabled }}
- name: state
  emptyDir: {}
{{- else if .existingClaim }}
- name: state
  persistentVolumeClaim: {claimName: {{ .existingClaim }}}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A volume of one secret, or of several in one folder: {name, secrets}. */}}
{{- define "github-enterprise-exporter.secretVolume" -}}
- name: {{ .name }}
  {{- if eq (len .secrets) 1 }}
  secret: {secretName: {{ first .secrets }}, defaultMode: 0440}
  {{- else }}
  projected:
    defaultMode: 0440
    sources:
      {{- range .secrets }}
      - secret: {name: {{ . }}}
      {{- end }}
  {{- end }}
{{- end }}
